"""Build contexts on their way to the platform: hashed first, and sent only when they are not there yet.

A context is one object, `<organization>/<hash>/context.tar`, in the bucket that the platform names together with
credentials for an hour. It goes through the client's own transport, like everything else: the same proxies, certificates,
pool and deadlines. What does not move for a while fails and says what it was doing.
"""

from __future__ import annotations

import re
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from html import escape, unescape
from itertools import chain
from typing import TYPE_CHECKING

from ..errors import DaytonaError, DaytonaTimeoutError, error_from_response
from ..models._base import encode
from ..models.files import UploadProgress
from ..models.platform import StorageAccess
from ..models.sandbox import CreateBuildInfo
from ..protocols import http1, sigv4
from ..protocols.rest import Request, host_header, origin_of
from ._callbacks import tell
from .build_context import PART_SIZE, BuildContext

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Iterator, Sequence

    from ..models.params import ImageContext, ImageSource
    from ..protocols.rest import Response
    from ..service import Api
    from ..transport._interface import Transport
    from .build_context import Part

    OnProgress = Callable[[UploadProgress], Awaitable[None] | None]

__all__ = ["BuildContexts", "build_info", "push_access", "push_contexts"]

PATIENCE = 30.0
"""Seconds without an answer after which a request has stalled; one that carries a part of a tar may take as long as it
likes, and has stalled when nothing of it has moved for so long."""


async def build_info(api: Api, image: str | ImageSource) -> CreateBuildInfo:
    """Return the description of *image* that a platform can build from; the local files it copies are there by then."""
    if isinstance(image, str):
        return CreateBuildInfo(dockerfile_content=f"FROM {image}\n")
    hashes = await push_contexts(api, image.contexts) if image.contexts else []
    return CreateBuildInfo(dockerfile_content=image.dockerfile(), context_hashes=hashes)


async def push_contexts(api: Api, contexts: Sequence[ImageContext]) -> list[str]:
    """Return the hashes of *contexts*, in their order, once all of them are where the platform finds them."""
    access = await push_access(api)
    bucket = BuildContexts(api.transport, access)
    return [
        await bucket.store(
            BuildContext(context.source_path, context.archive_path, getattr(context, "ignored", ())),
            access.organization_id,
        )
        for context in contexts
    ]


async def push_access(api: Api) -> StorageAccess:
    """Return fresh credentials for build contexts."""
    return await api.call("GET", "/object-storage/push-access", into=StorageAccess)


class BuildContexts:
    """The bucket that takes build contexts."""

    def __init__(self, transport: Transport, access: StorageAccess) -> None:
        self._transport = transport
        self._credentials = sigv4.Credentials(access.access_key, access.secret, access.session_token or None)
        self._region = access.region
        self._origin, base = origin_of(access.storage_url)
        self._base = sigv4.encode_path(f"{base}/{access.bucket}/")

    async def upload(
        self,
        path: str,
        organization_id: str,
        archive_base_path: str | None = None,
        on_progress: Callable[[UploadProgress], Awaitable[None] | None] | None = None,
    ) -> str:
        """Return the hash of a file or directory, once it is stored.

        Args:
            path: The file or directory.
            organization_id: Whose it is.
            archive_base_path: Its name in the build; None makes it from the path.
            on_progress: Called after each part that the store has taken; not at all when all of it was there.

        Raises:
            FileNotFoundError: It is not there.
            DaytonaTimeoutError: The store has not answered for a while.
        """
        return await self.store(BuildContext(path, archive_base_path), organization_id, on_progress)

    async def store(
        self, context: BuildContext, organization_id: str, on_progress: OnProgress | None = None
    ) -> str:
        """Return the hash of a context, once it is stored."""
        path = context.path
        digest = await self._transport.run(context.hash)
        key = sigv4.encode_path(f"{organization_id}/{digest}/context.tar")
        with _phase(f"looking for {path}"):
            found = await self._send("HEAD", key, accepted=(404,))
        if found.status == 404:
            with _phase(f"uploading {path}"):
                await self._store(key, context, on_progress)
        return digest

    async def _store(self, key: str, context: BuildContext, on_progress: OnProgress | None) -> None:
        parts = context.parts()
        first = await self._next(parts)
        if first is not None and len(first.data) < PART_SIZE:
            await self._send("PUT", key, first)
            await tell(on_progress, UploadProgress(len(first.data)))
        elif first is not None:
            await self._store_in_parts(key, chain((first,), parts), on_progress)

    async def _store_in_parts(self, key: str, parts: Iterator[Part], on_progress: OnProgress | None) -> None:
        upload = _element(await self._send("POST", key, query="uploads="), "UploadId")
        query = f"uploadId={sigv4.encode_path(upload)}"
        try:
            tags = await self._send_parts(key, query, parts, on_progress)
            done = await self._send("POST", key, query=query, document=_completion(tags))
            if b"<Error>" in done.body:  # S3 may answer 200 before it has found out
                raise _refusal("POST", key, done)
        except BaseException:
            await self._transport.shielded(partial(self._abort, key, query))
            raise

    async def _send_parts(
        self, key: str, query: str, parts: Iterator[Part], on_progress: OnProgress | None
    ) -> list[str]:
        """Send one part after the other; one that is lost on the way is sent again, by itself."""
        tags: list[str] = []
        sent = 0
        while (part := await self._next(parts)) is not None:
            with _phase(f"sending part {len(tags) + 1}"):
                answer = await self._send("PUT", key, part, query=f"partNumber={len(tags) + 1}&{query}")
            tags.append(answer.headers.get("etag", ""))
            sent += len(part.data)
            await tell(on_progress, UploadProgress(sent))
        return tags

    async def _abort(self, key: str, query: str) -> None:
        """Let the store forget the parts; the error that brought us here says more than one from this."""
        with suppress(DaytonaError):
            await self._send("DELETE", key, query=query, accepted=(404,))

    async def _next(self, parts: Iterator[Part]) -> Part | None:
        return await self._transport.run(lambda: next(parts, None))

    async def _send(
        self,
        method: str,
        key: str,
        part: Part | None = None,
        *,
        query: str = "",
        document: bytes = b"",
        accepted: tuple[int, ...] = (),
    ) -> Response:
        body = part.data if part is not None else document
        digest = part.digest if part is not None else sigv4.payload_hash(document)
        request = self._request(method, self._base + key, query, body, digest)
        limit = self._transport.deadline if part is None else self._transport.silence
        with limit(PATIENCE):
            answer = await self._transport.send(request)
        if 200 <= answer.status < 300 or answer.status in accepted:
            return answer
        raise _refusal(method, key, answer)

    def _request(self, method: str, path: str, query: str, body: bytes, digest: str) -> Request:
        host = host_header(self._origin)
        fields = sigv4.signed_headers(
            self._credentials,
            region=self._region,
            timestamp=datetime.fromtimestamp(self._transport.time(), UTC).strftime("%Y%m%dT%H%M%SZ"),
            method=method,
            host=host,
            path=path,
            query=query,
            payload_hash=digest,
        )
        target = f"{path}?{query}" if query else path
        return Request(
            method, self._origin, target, http1.encode_fields([("Host", host), *fields.items()]), body or None
        )


@contextmanager
def _phase(what: str) -> Generator[None]:
    """Let errors say what was going on."""
    try:
        yield
    except DaytonaError as error:
        stalled = isinstance(error, DaytonaTimeoutError)
        error.add_context(f"{'stalled' if stalled else 'failed'} while {what}: ")
        raise


def _completion(tags: list[str]) -> bytes:
    parts = (
        f"<Part><PartNumber>{number}</PartNumber><ETag>{escape(tag, quote=False)}</ETag></Part>"
        for number, tag in enumerate(tags, 1)
    )
    return f"<CompleteMultipartUpload>{''.join(parts)}</CompleteMultipartUpload>".encode()


def _refusal(method: str, key: str, answer: Response) -> DaytonaError:
    """Return the error for what a store answered; its bodies are XML."""
    reason = ": ".join(text for name in ("Code", "Message") if (text := _element(answer, name)))
    envelope = encode({"message": f"The object store refused it: {reason or answer.status}"})
    return error_from_response(
        max(answer.status, 400), answer.headers, envelope, method=method, path=f"/{key}"
    )


def _element(answer: Response, name: str) -> str:
    found = re.search(rf"<{name}>(.*?)</{name}>", answer.body.decode("utf-8", "replace"), re.DOTALL)
    return unescape(found[1]) if found else ""
