"""Debian's `docker-registry` on the loopback interface, and what it takes to put an image there."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.local.registry_server import layer_tar

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from tests.local.registry_server import Files

USER, PASSWORD = "user", "secret"
ENTRY = f"{USER}:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n"
_LISTENING = re.compile(r"listening on (127\.0\.0\.1:\d+)")
OCI = "application/vnd.oci.image"


class DockerRegistry:
    """A registry that runs; *login* is sent with everything that is put there."""

    def __init__(self, host: str, login: str) -> None:
        self.host = host
        self._login = login

    def push(self, repository: str, tag: str, layers: list[tuple[bytes, str]], **config: Any) -> str:
        """Put an image of compressed layers there, for this machine's kind and another one; return the index's digest."""
        described = [
            self._blob(repository, content, f"{OCI}.layer.v1.tar+{kind}") for content, kind in layers
        ]
        manifests = []
        for architecture in ("s390x", "amd64", "arm64"):
            facts = {"architecture": architecture, "os": "linux", "config": config}
            configuration = self._blob(repository, json.dumps(facts).encode(), f"{OCI}.config.v1+json")
            manifest = {"config": configuration, "layers": described if architecture != "s390x" else []}
            put = self._manifest(repository, manifest, f"{OCI}.manifest.v1+json")
            manifests.append(put | {"platform": {"os": "linux", "architecture": architecture}})
        index = {"manifests": manifests}
        return str(self._manifest(repository, index, f"{OCI}.index.v1+json", tag)["digest"])

    def _blob(self, repository: str, content: bytes, kind: str) -> dict[str, Any]:
        begun = self._send("POST", f"http://{self.host}/v2/{repository}/blobs/uploads/", b"")
        described = _described(content, kind)
        place = begun.headers["Location"]
        self._send("PUT", f"{place}&digest={described['digest']}", content, "application/octet-stream")
        return described

    def _manifest(
        self, repository: str, document: dict[str, Any], kind: str, tag: str = ""
    ) -> dict[str, Any]:
        content = json.dumps({"schemaVersion": 2, "mediaType": kind, **document}).encode()
        described = _described(content, kind)
        self._send(
            "PUT", f"http://{self.host}/v2/{repository}/manifests/{tag or described['digest']}", content, kind
        )
        return described

    def _send(self, method: str, url: str, body: bytes, kind: str = "") -> Any:
        headers = {"Authorization": self._login} if self._login else {}
        request = urllib.request.Request(url, body, headers | {"Content-Type": kind}, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            answer.read()
            return answer


def _described(content: bytes, kind: str) -> dict[str, Any]:
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    return {"mediaType": kind, "digest": digest, "size": len(content)}


def zstd(files: Files) -> tuple[bytes, str]:
    """Return a layer, compressed by the program `zstd`."""
    run = subprocess.run(["zstd", "-cq"], input=layer_tar(files), capture_output=True, check=True)
    return run.stdout, "zstd"


@contextmanager
def docker_registry(directory: Path, *, private: bool) -> Generator[DockerRegistry]:
    """Run the registry, which asks for a name and a password when it is *private*."""
    settings: dict[str, Any] = {
        "version": 0.1,
        "log": {"level": "info", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(directory / "registry")}},
        "http": {"addr": "127.0.0.1:0"},
    }
    if private:
        (directory / "htpasswd").write_text(ENTRY)
        settings["auth"] = {"htpasswd": {"realm": "tests", "path": str(directory / "htpasswd")}}
    (directory / "registry.yml").write_text(json.dumps(settings))  # JSON is YAML
    process = subprocess.Popen(
        ["docker-registry", "serve", str(directory / "registry.yml")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if found := _LISTENING.search(line):
                break
        else:
            raise AssertionError("docker-registry ended")
        pair = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        yield DockerRegistry(found[1], f"Basic {pair}" if private else "")
    finally:
        process.kill()
        process.communicate()
