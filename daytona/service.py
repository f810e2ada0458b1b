"""What a service is made of: what its author imports, and nothing else.

A service is a plain class of `async def` methods that await the API they were given; `operation` gives each method its
place in the errors that leave it. The blocking twin is written by `python -m daytona.faces`.
"""

from __future__ import annotations

import functools
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Concatenate,
    Final,
    Generic,
    ParamSpec,
    Protocol,
    Self,
    TypeAlias,
    TypeVar,
    overload,
)

from .errors import DaytonaError, DaytonaValidationError
from .protocols.rest import Endpoint, QueryValue, Request, Response, decode, segment
from .transport._deadline import seconds
from .transport._step import BlockingStream, Done, same, step

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping

    from .protocols.rest import Body
    from .transport._interface import Transport
    from .transport.exchange import StreamedResponse

__all__ = [
    "PLUGIN_API",
    "Api",
    "ApiOrSandbox",
    "AsyncService",
    "BlockingService",
    "BlockingStream",
    "Done",
    "Endpoint",
    "awaitable_when_blocking",
    "keyword_when_blocking",
    "made_directly",
    "operation",
    "same",
    "seconds",
    "segment",
    "step",
    "streaming_operation",
    "toolbox_of",
]

P = ParamSpec("P")
S = TypeVar("S")
T = TypeVar("T")


class Api:
    """A REST service and the way to it.

    Args:
        transport: What to send requests through.
        locate: Returns where the service is; awaited before the first request only.
        sandbox_id: The sandbox whose service this is, for errors.
    """

    def __init__(
        self,
        transport: Transport,
        locate: Callable[[], Awaitable[Endpoint]] | Endpoint,
        sandbox_id: str | None = None,
    ) -> None:
        self.transport = transport
        self.sandbox_id = sandbox_id
        self._endpoint = locate if isinstance(locate, Endpoint) else None
        self._locate = None if isinstance(locate, Endpoint) else locate

    async def endpoint(self) -> Endpoint:
        """Return where the service is."""
        if self._endpoint is None:
            assert self._locate is not None
            self._endpoint = await self._locate()
        return self._endpoint

    @overload
    async def call(
        self,
        method: str,
        path: str,
        *,
        into: type[T],
        query: Mapping[str, QueryValue] | None = None,
        json: object = None,
        timeout: float | None = None,
    ) -> T: ...
    @overload
    async def call(
        self,
        method: str,
        path: str,
        *,
        into: None = None,
        query: Mapping[str, QueryValue] | None = None,
        json: object = None,
        timeout: float | None = None,
    ) -> None: ...
    async def call(
        self,
        method: str,
        path: str,
        *,
        into: type[T] | None = None,
        query: Mapping[str, QueryValue] | None = None,
        json: object = None,
        timeout: float | None = None,
    ) -> T | None:
        """Return the answer to one request as *into*; None answers nothing.

        Raises:
            DaytonaError: The server refused, could not be reached in *timeout* seconds, or answered something else.
        """
        request = (self._endpoint or await self.endpoint()).request(method, path, query=query, json=json)
        if timeout is None:
            return decode(request, await self.transport.send(request), into)
        return decode(request, await self.send(request, timeout), into)

    async def call_text(self, method: str, path: str) -> str:
        """Return the answer to one request that is a text: as it is, or as a JSON string."""
        request = (await self.endpoint()).request(method, path)
        response = await self.transport.send(request)
        decode(request, response, None)
        return decode(request, response, str) if response.body.startswith(b'"') else response.body.decode()

    async def send(self, request: Request, timeout: float | None = None) -> Response:
        """Return the answer to *request*, whatever its status."""
        if timeout is None:
            return await self.transport.send(request)
        with self.transport.deadline(timeout):
            return await self.transport.send(request)

    async def upload(self, path: str, body: Body, content_type: str) -> Response:
        """Return the 2xx answer to a POST whose body is sent piece by piece."""
        request = (await self.endpoint()).request("POST", path, body=body, content_type=content_type)
        response = await self.transport.send(request)
        decode(request, response, None)
        return response

    async def stream(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, QueryValue] | None = None,
        json: object = None,
        accept: str = "*/*",
    ) -> StreamedResponse:
        """Return a 2xx answer whose body is still to be read; it must be closed."""
        request = (await self.endpoint()).request(method, path, query=query, json=json, accept=accept)
        answer = await self.transport.stream(request)
        if 200 <= answer.status < 300:
            return answer
        decode(request, Response(answer.status, answer.fields, await answer.read_all()), None)
        raise AssertionError("unreachable")  # pragma: no cover - decode raises for every other status


class _HasToolbox(Protocol):
    @property
    def _toolbox(self) -> Api: ...


class _HasCore(Protocol):
    @property
    def _core(self) -> _HasToolbox: ...


ApiOrSandbox: TypeAlias = Api | _HasToolbox | _HasCore
"""The API of a sandbox's toolbox, or a sandbox, of either face, that has one."""


def toolbox_of(client: ApiOrSandbox) -> Api:
    """Return the API of what runs inside a sandbox.

    Raises:
        DaytonaValidationError: It is neither a sandbox nor an API.
    """
    core: object = getattr(client, "_core", client)
    found: object = getattr(core, "_toolbox", core)
    if not isinstance(found, Api):
        raise DaytonaValidationError(f"a sandbox or the API of its toolbox is needed, not {client!r}")
    return found


PLUGIN_API: Final = 1
"""The version of what services are made from; a plugin written for another one is not loaded."""


class AsyncService:
    """A group of operations on one API."""

    plugin_api: ClassVar[int] = 1
    """The version of the interface that a plugin's service was written for, should it want to say so."""

    def __init__(self, api: Api) -> None:
        self._api = api

    @property
    def _api_client(self) -> object:
        return _generated(self)


class BlockingService(Generic[S]):
    """The blocking face of a service: the same object, stepped."""

    _core: S

    @property
    def _api_client(self) -> object:
        return _generated(self)

    def __init__(self, core: S) -> None:
        self._core = core

    @classmethod
    def _over(cls, core: S) -> Self:
        """Return the face of *core*, whatever the constructor of the class takes."""
        face = cls.__new__(cls)
        face._core = core
        return face


def _generated(service: object) -> object:
    from .generated_api import GeneratedApi  # private, and yet there are programs that use it

    return GeneratedApi(service)


def operation(
    failure: str, name: str | None = None
) -> Callable[
    [Callable[Concatenate[S, P], Coroutine[Any, Any, T]]],
    Callable[Concatenate[S, P], Coroutine[Any, Any, T]],
]:
    """Mark a method as an operation.

    Args:
        failure: What errors that leave it begin with, as in "Failed to start sandbox: ".
        name: What it is called in traces; None takes the method's name.
    """

    def decorate(
        method: Callable[Concatenate[S, P], Coroutine[Any, Any, T]],
    ) -> Callable[Concatenate[S, P], Coroutine[Any, Any, T]]:
        async def run(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
            api: Api | None = getattr(self, "_api", None)
            telemetry = api.transport.telemetry if api is not None else None
            try:
                if telemetry is None:
                    return await method(self, *args, **kwargs)
                with telemetry.operation(type(self).__name__, name or method.__name__):
                    return await method(self, *args, **kwargs)
            except DaytonaError as error:
                _complete(error, self, failure)
                raise

        functools.update_wrapper(run, method)
        return run

    return decorate


def _complete(error: DaytonaError, service: object, failure: str) -> None:
    """Say in *error* what failed, and about which sandbox."""
    error.add_context(failure)
    api: Api | None = getattr(service, "_api", None)
    if error.sandbox_id is None and api is not None:
        error.sandbox_id = api.sandbox_id


def keyword_when_blocking(*names: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Make parameters keyword-only on the blocking face: callbacks for what happens beside the caller, say."""

    def decorate(method: Callable[P, T]) -> Callable[P, T]:
        return method

    return decorate


def made_directly(constructor: Callable[P, T]) -> Callable[P, T]:
    """Let programs make the blocking face as they make the service: with what this constructor takes."""
    return constructor


def awaitable_when_blocking(method: Callable[P, T]) -> Callable[P, T]:
    """Let the blocking face return something that may be awaited, for a method that the official one has as a coroutine."""
    return method


def streaming_operation(
    failure: str,
) -> Callable[
    [Callable[Concatenate[S, P], AsyncGenerator[T]]], Callable[Concatenate[S, P], AsyncGenerator[T]]
]:
    """Mark an async generator as an operation, as `operation` does."""

    def decorate(
        method: Callable[Concatenate[S, P], AsyncGenerator[T]],
    ) -> Callable[Concatenate[S, P], AsyncGenerator[T]]:
        async def run(self: S, /, *args: P.args, **kwargs: P.kwargs) -> AsyncGenerator[T]:
            inner = method(self, *args, **kwargs)
            try:
                async for item in inner:
                    yield item
            except DaytonaError as error:
                _complete(error, self, failure)
                raise
            finally:
                await inner.aclose()

        functools.update_wrapper(run, method)
        return run

    return decorate
