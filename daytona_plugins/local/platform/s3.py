"""`/s3/<bucket>/<key>`: as much of S3 as it takes to keep build contexts, for any client that signs its requests.

Objects whole or in parts, ranges, listings, and addresses that carry their permission. A grant (see `grants`) reaches
as far as its organization's prefix and no further.
"""

from __future__ import annotations

import re
from email.utils import formatdate
from html import escape, unescape
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

from daytona.protocols import sigv4
from daytona_plugins.local.agent.whole_numbers import whole_number
from daytona_plugins.local.platform import objects
from daytona_plugins.local.platform.grants import Grant, Grants, RefusedError
from daytona_plugins.local.platform.objects import BadDigestError, BadKeyError, NoSuchUploadError
from daytona_plugins.local.platform.regions import ORGANIZATION_ID, REGION_ID
from daytona_plugins.local.platform.times import iso
from daytona_plugins.local.web import Response, json_response

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from daytona_plugins.local.platform.objects import Object, Objects
    from daytona_plugins.local.platform.site import Site
    from daytona_plugins.local.web import Request, Router

BUCKET = "daytona-volume-builds"
BODY_LIMIT = 1024 * 1024
PAGE = 1000
LAST_PART = 10_000

_STATUS = {
    "NoSuchKey": 404,
    "NoSuchBucket": 404,
    "NoSuchUpload": 404,
    "InvalidRange": 416,
    "NotImplemented": 501,
    "MethodNotAllowed": 405,
    "MissingContentLength": 411,
    "BadDigest": 400,
    "InvalidArgument": 400,
    "MalformedXML": 400,
    "XAmzContentSHA256Mismatch": 400,
}
"""Every other refusal is 403."""

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_PART = re.compile(r"<Part>(.*?)</Part>", re.DOTALL)
_NUMBER = re.compile(r"<PartNumber>\s*(\d{1,5})\s*</PartNumber>")
_ETAG = re.compile(r"<ETag>\s*(.*?)\s*</ETag>", re.DOTALL)


class _Target(NamedTuple):
    """One object, asked for by one request."""

    request: Request
    bucket: str
    key: str

    def parameter(self, name: str) -> str | None:
        """Return a parameter of the query, None when it is not there."""
        query = self.request.query
        return query.first(name) if name in query else None

    @property
    def digest(self) -> str | None:
        """The hash that the content must have; None when the signature does not cover it."""
        announced = self.request.headers.get("x-amz-content-sha256")
        if announced is None or announced == sigv4.UNSIGNED:
            return None
        if announced.startswith("STREAMING-"):
            raise RefusedError("NotImplemented", "bodies signed piece by piece are not taken here")
        return announced


class S3:
    """The routes of the object store."""

    def __init__(self, site: Site, store: Objects, clock: Callable[[], float]) -> None:
        self._site = site
        self._store = store
        self._grants = Grants(site.key, REGION_ID, clock)

    def add_to(self, router: Router) -> None:
        """Register every route."""
        router.add("GET", "/api/object-storage/push-access", self.push_access)
        router.add("GET", "/s3/{bucket}", self._answering(self._list))
        router.add("GET", "/s3/{bucket}/", self._answering(self._list))
        for method, act in (
            ("GET", self._get),
            ("HEAD", self._get),
            ("PUT", self._put),
            ("POST", self._post),
            ("DELETE", self._delete),
        ):
            router.add(method, "/s3/{bucket}/{key*}", self._answering(act))

    async def push_access(self, _request: Request) -> Response:
        """Grant the writing of build contexts for an hour."""
        issued = self._grants.issue(BUCKET, f"{ORGANIZATION_ID}/")
        return json_response(
            {
                "accessKey": issued.access_key,
                "secret": issued.secret,
                "sessionToken": issued.session_token,
                "storageUrl": f"{self._site.url}/s3",
                "organizationId": ORGANIZATION_ID,
                "bucket": BUCKET,
                "region": REGION_ID,
            }
        )

    def _answering(
        self, act: Callable[[_Target, Grant], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """Return the handler that lets *act* answer, and says in S3's words why it did not."""

        async def handle(request: Request) -> Response:
            try:
                return await act(*self._permitted(request))
            except RefusedError as error:
                return _error(error.code, error.message)
            except BadKeyError as error:
                return _error("InvalidArgument", str(error))
            except BadDigestError as error:
                return _error("XAmzContentSHA256Mismatch", str(error))
            except NoSuchUploadError as error:
                return _error("NoSuchUpload", str(error))

        return handle

    def _permitted(self, request: Request) -> tuple[_Target, Grant]:
        grant = self._grants.of(request)
        # The last part of a route is given as it was sent.
        key = unquote(request.params.get("key", ""), errors="surrogateescape")
        target = _Target(request, request.params["bucket"], key)
        if target.bucket != grant.bucket:
            raise RefusedError("AccessDenied", f"the grant is for the bucket {grant.bucket!r}")
        if "key" in request.params and not key.startswith(grant.prefix):
            raise RefusedError("AccessDenied", f"the grant is for keys below {grant.prefix!r}")
        return target, grant

    # -- Objects --------------------------------------------------------------------------------------------------

    async def _get(self, target: _Target, _grant: Grant) -> Response:
        found = self._store.find(target.bucket, target.key)
        if found is None:
            raise RefusedError("NoSuchKey", "there is no such object")
        first, size, status = _range(target.request.headers.get("range"), found.size)
        headers = [*_facts(found), ("Content-Length", str(size)), ("Accept-Ranges", "bytes")]
        if status == 206:
            headers.append(("Content-Range", f"bytes {first}-{first + size - 1}/{found.size}"))
        file = self._store.file(target.bucket, target.key)
        return Response(status, headers, _streamed(objects.read(file, first, size)))

    async def _put(self, target: _Target, _grant: Grant) -> Response:
        if "x-amz-copy-source" in target.request.headers:
            raise RefusedError("NotImplemented", "objects cannot be copied here")
        body, upload = target.request.chunks(), target.parameter("uploadId")
        if upload is None:
            stored = await self._store.put(target.bucket, target.key, body, target.digest)
        else:
            stored = await self._store.put_part(upload, _part_number(target), body, target.digest)
        return Response(200, [("ETag", f'"{stored.etag}"')])

    async def _delete(self, target: _Target, _grant: Grant) -> Response:
        if upload := target.parameter("uploadId"):
            self._store.abort(upload)
        else:
            self._store.remove(target.bucket, target.key)
        return Response(204)

    async def _post(self, target: _Target, _grant: Grant) -> Response:
        if target.parameter("uploads") is not None:
            begun = self._store.begin(target.bucket, target.key)
            return _xml("InitiateMultipartUploadResult", Bucket=target.bucket, Key=target.key, UploadId=begun)
        upload = target.parameter("uploadId")
        if upload:
            parts = _parts((await target.request.body(BODY_LIMIT)).decode("utf-8", "replace"))
            made = await self._store.complete(target.bucket, target.key, upload, parts)
            return _xml(
                "CompleteMultipartUploadResult", Bucket=target.bucket, Key=target.key, ETag=f'"{made.etag}"'
            )
        raise RefusedError("NotImplemented", "a form cannot be posted here")

    # -- Listings -------------------------------------------------------------------------------------------------

    async def _list(self, target: _Target, grant: Grant) -> Response:
        prefix = target.parameter("prefix") or ""
        if target.parameter("list-type") != "2":
            raise RefusedError("NotImplemented", "only ListObjectsV2 is understood here")
        if not prefix.startswith(grant.prefix):
            raise RefusedError("AccessDenied", f"the grant is for keys below {grant.prefix!r}")
        start = target.parameter("continuation-token") or target.parameter("start-after") or ""
        names = _grouped(self._store.list(target.bucket, prefix), prefix, target.parameter("delimiter") or "")
        rest = [(name, found) for name, found in names.items() if name > start]
        size = _page_size(target.parameter("max-keys"))
        return _listing(target, prefix, rest[:size], more=len(rest) > size)


def _grouped(found: list[Object], prefix: str, delimiter: str) -> dict[str, Object | None]:
    """Return objects by key; those whose keys go on behind a *delimiter* count as one, which is no object."""
    names: dict[str, Object | None] = {}
    for one in found:
        head, cut, _ = one.key[len(prefix) :].partition(delimiter) if delimiter else (one.key, "", "")
        names[f"{prefix}{head}{cut}" if cut else one.key] = None if cut else one
    return names


def _listing(target: _Target, prefix: str, page: list[tuple[str, Object | None]], *, more: bool) -> Response:
    facts = {
        "Name": target.bucket,
        "Prefix": prefix,
        "KeyCount": len(page),
        "IsTruncated": str(more).lower(),
    }
    lines = [_element(name, value) for name, value in facts.items()]
    if more and page:
        lines.append(_element("NextContinuationToken", page[-1][0]))
    for name, found in page:
        lines.append(
            _contents(found) if found else f"<CommonPrefixes>{_element('Prefix', name)}</CommonPrefixes>"
        )
    return _document("ListBucketResult", "".join(lines))


def _contents(found: Object) -> str:
    facts = {
        "Key": found.key,
        "LastModified": iso(found.modified_at),
        "ETag": f'"{found.etag}"',
        "Size": found.size,
        "StorageClass": "STANDARD",
    }
    return f"<Contents>{''.join(_element(name, value) for name, value in facts.items())}</Contents>"


def _page_size(text: str | None) -> int:
    if text is None:
        return PAGE
    size = whole_number(text)
    if size is None:
        raise RefusedError("InvalidArgument", "max-keys is a number")
    return min(size, PAGE)


def _part_number(target: _Target) -> int:
    number = whole_number(target.parameter("partNumber") or "")
    if number is None or not 1 <= number <= LAST_PART:
        raise RefusedError("InvalidArgument", f"a part has a number from 1 to {LAST_PART}")
    return number


def _parts(document: str) -> list[tuple[int, str]]:
    """Return numbers and tags of the parts that an upload is made of."""
    found: list[tuple[int, str]] = []
    for part in _PART.findall(document):
        number, etag = _NUMBER.search(part), _ETAG.search(part)
        if number is None or etag is None:
            raise RefusedError("MalformedXML", "a part has a number and a tag")
        found.append((int(number[1]), unescape(etag[1]).strip('"')))
    if not found or [number for number, _ in found] != sorted({number for number, _ in found}):
        raise RefusedError("MalformedXML", "the parts are to be named in their order, at least one")
    return found


def _range(header: str | None, size: int) -> tuple[int, int, int]:
    """Return the first byte, how many, and the status that says whether this is everything."""
    asked = _RANGE.fullmatch(header or "")
    if asked is None or asked[0] == "bytes=-":
        return 0, size, 200
    first = int(asked[1]) if asked[1] else max(size - int(asked[2]), 0)
    last = min(int(asked[2]), size - 1) if asked[1] and asked[2] else size - 1
    if first > last:
        raise RefusedError("InvalidRange", f"the object has {size} bytes")
    return first, last - first + 1, 206


def _facts(found: Object) -> list[tuple[str, str]]:
    return [
        ("ETag", f'"{found.etag}"'),
        ("Last-Modified", formatdate(found.modified_at, usegmt=True)),
        ("Content-Type", "application/octet-stream"),
    ]


async def _streamed(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def _error(code: str, message: str) -> Response:
    response = _xml("Error", Code=code, Message=message)
    response.status = _STATUS.get(code, 403)
    return response


def _xml(root: str, **facts: str) -> Response:
    return _document(root, "".join(_element(name, value) for name, value in facts.items()))


def _document(root: str, content: str) -> Response:
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<{root}>{content}</{root}>'
    body = text.encode("utf-8", "replace")
    return Response(200, [("Content-Type", "application/xml")], body)


def _element(name: str, value: object) -> str:
    return f"<{name}>{escape(str(value), quote=False)}</{name}>"
