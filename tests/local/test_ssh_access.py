"""SSH access over the platform's restarts, and where asyncssh is missing."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from tests.behaviour.ssh_client import SshClient, needs_openssh
from tests.local.platform_process import running_platform

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


@needs_openssh
def test_an_access_outlives_the_platform_that_made_it() -> None:
    with running_platform() as platform:
        sandbox = platform.create(autoDeleteInterval=-1)
        client = SshClient(platform.api("POST", f"/sandbox/{sandbox['id']}/ssh-access").json["sshCommand"])
        assert client.ssh("echo before").stdout == b"before\n"
        config = platform.api("GET", "/config").json
        command = config["sshGatewayCommand"].replace("{{TOKEN}}@", "")
        assert command == f"ssh -p {config['sshGatewayPort']} {config['sshGatewayHost']}"
        assert config["sshGatewayHostKeys"][0] in platform.paths.ssh_known_hosts.read_text()
        platform.stop()
        platform.start()
        platform.api("POST", f"/sandbox/{sandbox['id']}/start")
        assert client.ssh("echo after").stdout == b"after\n"


@needs_openssh
def test_tokens_are_not_logged() -> None:
    with running_platform() as platform:
        sandbox = platform.create()
        access = platform.api("POST", f"/sandbox/{sandbox['id']}/ssh-access").json
        SshClient(access["sshCommand"]).ssh("true")
        assert access["token"] not in platform.paths.log_file.read_text()


def test_a_platform_without_asyncssh_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = "raise ModuleNotFoundError(\"No module named 'asyncssh'\", name='asyncssh')"
    (tmp_path / "asyncssh.py").write_text(missing)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with running_platform() as platform:
        sandbox = platform.create()
        refused = platform.api("POST", f"/sandbox/{sandbox['id']}/ssh-access")
        assert refused.status == 501
        assert "pip install 'daytona-anyio[ssh]'" in refused.json["message"]


def test_the_platform_does_without_asyncssh_until_somebody_asks() -> None:
    program = "import daytona_plugins.local.platform.serving, sys; assert 'asyncssh' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


@needs_openssh
def test_what_a_program_says_last_is_not_lost_to_input_that_it_does_not_read() -> None:
    with running_platform() as platform:
        sandbox = platform.create()
        client = SshClient(platform.api("POST", f"/sandbox/{sandbox['id']}/ssh-access").json["sshCommand"])
        said = [client.ssh("read line; echo $line", stdin=b"last\n" + bytes(300_000)) for _ in range(10)]
        assert {(one.returncode, one.stdout) for one in said} == {(0, b"last\n")}
