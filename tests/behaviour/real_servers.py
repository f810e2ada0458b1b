"""Real language servers for sandboxes: packages of npm and PyPI, fetched once and kept for the next run."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tarfile
from typing import TYPE_CHECKING

import pytest

from tests.interop.peer import cache

if TYPE_CHECKING:
    from pathlib import Path

    from tests.local.platform_process import Platform

SERVERS = "/srv/servers"
"""Where they are in a sandbox."""
PYLSP = ["/bin/sh", "-c", f"PYTHONPATH={SERVERS}/pylsp exec /usr/bin/python3 -m pylsp"]


def put_typescript(platform: Platform, sandbox_id: str, name: str, *packages: str) -> str:
    """Install packages of npm in a sandbox, and return the directory that has them in `node_modules`."""
    if shutil.which("npm") is None or shutil.which("node", path="/usr/local/bin:/usr/bin:/bin") is None:
        pytest.skip("npm and node are not installed")
    directory = cache() / f"npm-{name}"
    if not (directory / "complete").exists():
        directory.mkdir(exist_ok=True)
        command = ["npm", "install", "--no-fund", "--no-audit", "--prefix", str(directory), *packages]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"npm cannot fetch {' '.join(packages)}: {done.stderr.strip()[-300:]}")
        (directory / "complete").touch()
    _put(platform, sandbox_id, directory / "node_modules", f"{SERVERS}/{name}/node_modules")
    return f"{SERVERS}/{name}"


def put_pylsp(platform: Platform, sandbox_id: str) -> None:
    """Install python-lsp-server for the system's Python in a sandbox."""
    asked = platform.execute(
        sandbox_id, "/usr/bin/python3 -c 'import sys; print(\"%d.%d\" % sys.version_info[:2])'"
    )
    if asked["exitCode"]:
        pytest.skip("there is no /usr/bin/python3 in the sandbox")
    version = asked["result"].strip()
    directory = cache() / f"pylsp-{version}"
    if not (directory / "complete").exists():
        command = ["install", "--quiet", "--only-binary=:all:", "--python-version", version, "--upgrade"]
        done = subprocess.run(
            [sys.executable, "-m", "pip", *command, "--target", str(directory / "site"), "python-lsp-server"],
            capture_output=True,
            text=True,
        )
        if done.returncode:
            pytest.skip(f"pip cannot fetch python-lsp-server: {done.stderr.strip()[-300:]}")
        (directory / "complete").touch()
    _put(platform, sandbox_id, directory / "site", f"{SERVERS}/pylsp")


def _put(platform: Platform, sandbox_id: str, source: Path, target: str) -> None:
    """Copy a directory into a sandbox."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        tar.add(source, ".")
    place = f"/toolbox/{sandbox_id}/files/upload-v2?path={target}.tar"
    assert platform.call("POST", place, packed.getvalue()).status == 200
    unpack = f"mkdir -p {target} && tar --no-same-owner -xf {target}.tar -C {target} && rm {target}.tar"
    assert platform.execute(sandbox_id, unpack) == {"exitCode": 0, "result": ""}
