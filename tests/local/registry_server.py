"""A registry in the test's own process, written to the OCI distribution specification, which may ask for a token or lie."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.local.http_server import QuietHandler, web_server

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

Files = dict[str, bytes | str | None]
"""Names and contents: a text is a link's target, None makes a directory."""


class Registry:
    """Its blobs by digest and its manifests by tag; `spoilt` digests are answered with something else."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.tags: dict[str, str] = {}
        self.token = ""
        self.realm = ""
        self.wanted = ""
        self.spoilt: set[str] = set()
        self.asked: list[str] = []
        self.address = ""

    def add_blob(self, content: bytes) -> dict[str, Any]:
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        self.blobs[digest] = content
        return {"mediaType": "application/octet-stream", "digest": digest, "size": len(content)}

    def add_image(self, tag: str, layers: list[Files], **config: Any) -> str:
        """Put an image there, behind an index of two platforms, and return the digest of the index."""
        described = [self.add_blob(gzip.compress(layer_tar(files))) for files in layers]
        manifest = {
            "schemaVersion": 2,
            "config": self.add_blob(json.dumps({"config": config}).encode()),
            "layers": described,
        }
        kind = "application/vnd.oci.image.manifest.v1+json"
        whole = self.add_blob(json.dumps(manifest).encode()) | {"mediaType": kind}
        index = {
            "manifests": [
                {**whole, "digest": f"sha256:{'0' * 64}", "platform": {"os": "plan9", "architecture": "x"}},
                *(
                    {**whole, "platform": {"os": "linux", "architecture": name}}
                    for name in ("amd64", "arm64")
                ),
            ]
        }
        self.tags[tag] = str(self.add_blob(json.dumps(index).encode())["digest"])
        return self.tags[tag]

    def write_layout(self, directory: Path, tag: str) -> None:
        """Write the image as an OCI image layout."""
        for digest, content in self.blobs.items():
            algorithm, _, name = digest.partition(":")
            (directory / "blobs" / algorithm).mkdir(parents=True, exist_ok=True)
            (directory / "blobs" / algorithm / name).write_bytes(content)
        index = {
            "manifests": [{"digest": self.tags[tag], "mediaType": "application/vnd.oci.image.index.v1+json"}]
        }
        (directory / "index.json").write_text(json.dumps(index))


def layer_tar(files: Files) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.mode = 0o755
            if content is None:
                member.type = tarfile.DIRTYPE
                archive.addfile(member)
            elif isinstance(content, str):
                member.type, member.linkname = tarfile.SYMTYPE, content
                archive.addfile(member)
            else:
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return written.getvalue()


@contextmanager
def serving() -> Generator[Registry]:
    """Serve an empty registry on the loopback interface."""
    registry = Registry()

    class Handler(QuietHandler):
        def do_GET(self) -> None:
            registry.asked.append(self.path)
            if self.path.startswith("/token") and self.headers.get("Authorization", "") != registry.wanted:
                self._send(401, b"{}")
            elif self.path.startswith("/token"):
                self._send(200, json.dumps({"token": registry.token}).encode())
            elif registry.token and self.headers.get("Authorization") != f"Bearer {registry.token}":
                where = registry.realm or f"{registry.address}/token"
                realm = f'Bearer realm="{where}",service="test",scope="repository:x:pull"'
                self._send(401, b"{}", [("WWW-Authenticate", realm)])
            else:
                self._answer(self.path.rpartition("/")[2])

        def _answer(self, version: str) -> None:
            digest = registry.tags.get(version, version)
            content = registry.blobs.get(digest)
            if content is None:
                self._send(404, b"{}")
            else:
                self._send(200, content + b" " if digest in registry.spoilt else content)

        def _send(self, status: int, body: bytes, headers: list[tuple[str, str]] | None = None) -> None:
            self.send_response(status)
            for name, value in [("Content-Length", str(len(body))), *(headers or [])]:
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

    with web_server(Handler) as registry.address:
        yield registry
