"""Python that keeps its variables from one run to the next."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress
from typing import Final

from ..errors import DaytonaProcessExecutionTimeoutError, DaytonaTimeoutError
from ..models.interpreter import (
    CreateContextRequest,
    ExecutionError,
    ExecutionResult,
    InterpreterContext,
    InterpreterEvent,
    InterpreterExecuteRequest,
    ListContextsResponse,
    OutputMessage,
    RichResult,
)
from ..protocols.interpreter import Run
from ..protocols.rest import encode_json
from ..service import AsyncService, operation, seconds, segment, streaming_operation
from ._callbacks import tell

__all__ = ["AsyncCodeInterpreter"]

GRACE: Final = 0.2
"""Seconds that the sandbox has to interrupt the code and say so, before we stop waiting."""


class AsyncCodeInterpreter(AsyncService):
    """Runs Python in one sandbox, in contexts that each have their own variables.

    Calls in the same context run one after another; calls in different contexts run concurrently. Without a context, code
    runs in the sandbox's default context.
    """

    @operation("Failed to run code: ")
    async def run_code(
        self,
        code: str,
        *,
        context: InterpreterContext | None = None,
        on_stdout: Callable[[OutputMessage], Awaitable[None] | None] | None = None,
        on_stderr: Callable[[OutputMessage], Awaitable[None] | None] | None = None,
        on_error: Callable[[ExecutionError], Awaitable[None] | None] | None = None,
        on_result: Callable[[RichResult], Awaitable[None] | None] | None = None,
        envs: dict[str, str] | None = None,
        timeout: float | None = None,
    ) -> ExecutionResult:
        """Run code and return its output; an exception that it raises is part of the result, not an error of the call.

        Args:
            code: Python code.
            context: The context to run it in.
            on_stdout: Called with each piece of standard output as it arrives.
            on_stderr: Called with each piece of standard error as it arrives.
            on_error: Called with the exception that ends the code.
            on_result: Called with what the code displays: the value of its last expression, if the server sends it.
            envs: Environment variables for this call.
            timeout: Seconds after which the code is interrupted; 0 means no limit, None means ten minutes.

        Raises:
            DaytonaProcessExecutionTimeoutError: It took longer; `partial_output` has the output so far.
            DaytonaConnectionError: The interpreter or the connection to it was lost.
        """
        result, stdout, stderr = ExecutionResult(), list[str](), list[str]()
        try:
            async with aclosing(self._run(code, context, envs, timeout)) as events:
                async for event in events:
                    match event:
                        case OutputMessage(stream="stdout"):
                            stdout.append(event.output)
                            await tell(on_stdout, event)
                        case OutputMessage():
                            stderr.append(event.output)
                            await tell(on_stderr, event)
                        case ExecutionError():
                            result.error = event
                            await tell(on_error, event)
                        case RichResult():
                            result.results.append(event)
                            await tell(on_result, event)
        except DaytonaProcessExecutionTimeoutError as error:
            error.partial_output = "".join(stdout)
            raise
        result.stdout, result.stderr = "".join(stdout), "".join(stderr)
        return result

    @streaming_operation("Failed to run code: ")
    async def run_code_stream(
        self,
        code: str,
        *,
        context: InterpreterContext | None = None,
        envs: dict[str, str] | None = None,
        timeout: float | None = None,
    ) -> AsyncGenerator[InterpreterEvent]:
        """Run code and yield its output, what it displays, and the exception that ended it, as they arrive.

        Leaving the stream early does not end the code.

        Args:
            code: Python code.
            context: The context to run it in.
            envs: Environment variables for this call.
            timeout: Seconds after which the code is interrupted; 0 means no limit, None means ten minutes.

        Raises:
            DaytonaProcessExecutionTimeoutError: It took longer.
            DaytonaConnectionError: The interpreter or the connection to it was lost.
        """
        async with aclosing(self._run(code, context, envs, timeout)) as events:
            async for event in events:
                yield event

    async def _run(
        self,
        code: str,
        context: InterpreterContext | None,
        envs: dict[str, str] | None,
        timeout: float | None,
    ) -> AsyncGenerator[InterpreterEvent]:
        transport, run = self._api.transport, Run()
        limit = transport.deadline(_patience(timeout))
        with limit:
            socket = await transport.open_websocket(
                await self._api.endpoint(), "/process/interpreter/execute"
            )
        try:
            # A server that refuses may have closed already: what it said is read below.
            with limit, suppress(ConnectionError):
                await socket.send_text(_request(code, context, envs, timeout))
            while not run.ended:
                try:
                    with limit:
                        event = run.receive(await socket.receive())
                except DaytonaProcessExecutionTimeoutError:
                    raise
                except DaytonaTimeoutError as error:
                    raise DaytonaProcessExecutionTimeoutError(
                        f"the code did not end within its timeout of {timeout} seconds"
                    ) from error
                if event is not None:
                    yield event
        finally:
            await socket.close()

    # -- Contexts -------------------------------------------------------------------------------------------------

    @operation("Failed to create interpreter context: ")
    async def create_context(
        self, cwd: str | None = None, request_timeout: float | None = None
    ) -> InterpreterContext:
        """Return a new context without any variables.

        Args:
            cwd: Directory that its code runs in; None means the sandbox's working directory.
            request_timeout: Seconds; None or 0 means no limit.
        """
        return await self._api.call(
            "POST",
            "/process/interpreter/context",
            json=CreateContextRequest(cwd=cwd),
            into=InterpreterContext,
            timeout=request_timeout,
        )

    @operation("Failed to list interpreter contexts: ")
    async def list_contexts(self, request_timeout: float | None = None) -> list[InterpreterContext]:
        """Return all contexts except the default one."""
        answer = await self._api.call(
            "GET", "/process/interpreter/context", into=ListContextsResponse, timeout=request_timeout
        )
        return answer.contexts

    @operation("Failed to delete interpreter context: ")
    async def delete_context(self, context: InterpreterContext, request_timeout: float | None = None) -> None:
        """Delete a context, and end the code that is running in it."""
        await self._api.call(
            "DELETE", f"/process/interpreter/context/{segment(context.id)}", timeout=request_timeout
        )


def _request(
    code: str, context: InterpreterContext | None, envs: dict[str, str] | None, timeout: float | None
) -> str:
    whole = None if timeout is None else math.ceil(seconds(timeout) or 0)
    request = InterpreterExecuteRequest(
        code=code, context_id=context.id if context is not None else None, envs=envs, timeout=whole
    )
    return encode_json(request).decode()


def _patience(timeout: float | None) -> float | None:
    """Return how long we wait for a run that the sandbox ends after *timeout*."""
    limit = seconds(timeout)
    return None if limit is None else limit + GRACE
