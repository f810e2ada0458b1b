"""What the steps of a build do, seen from a sandbox that is made of it."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import tarfile
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import pytest

from daytona import CreateSandboxFromImageParams, Daytona, DaytonaConfig, DaytonaError, Image
from daytona_plugins.local.images.builder import ONE_OWNER
from tests.local.http_server import QuietHandler, web_server

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from tests.local.platform_process import Platform

    Built = Callable[..., tuple[str, list[str]]]

AS_ROOT = pytest.mark.skipif(os.getuid() != 0, reason="an ordinary user's sandboxes have one user")


@pytest.fixture
def word() -> str:
    """A word that no other build has, so that none of its steps was done before."""
    return f"w{uuid.uuid4().hex[:8]}"


@pytest.fixture
def built(platform: Platform, tmp_path: Path) -> Generator[Built]:
    """Return a function that builds a Dockerfile over *tmp_path*, and returns what a command says in it, and the log."""
    config = DaytonaConfig(api_key=platform.endpoint.api_key, api_url=platform.endpoint.api_url)

    def build(text: str, command: str = "true", base: str = "FROM debian:12") -> tuple[str, list[str]]:
        lines: list[str] = []
        (tmp_path / "Dockerfile").write_text(f"{base}\n{text}")
        image = Image.from_dockerfile(tmp_path / "Dockerfile")
        params = CreateSandboxFromImageParams(image=image)
        with daytona.create(params, on_snapshot_create_logs=lines.append) as sandbox:
            return sandbox.process.exec(command).result, lines

    with Daytona(config) as daytona:
        yield build


def test_a_here_document_is_a_script(built: Built, word: str) -> None:
    text = f"""
SHELL ["/bin/bash", "-c"]
RUN <<EOF
for each in one two; do echo {word} $each >> /srv/said; done
EOF
RUN <<-"END"
\t#!/usr/bin/env -S python3 -I
\tprint("$HOME {word}", file=open("/srv/python", "w"))
\tEND
RUN cat <<A - 3<<B > /srv/both <&3
$0{word}
A
other
B
"""
    said, _ = built(text, "cat /srv/said /srv/python /srv/both")
    assert said == f"{word} one\n{word} two\n$HOME {word}\nother\n"


def test_a_here_document_is_a_file(built: Built, tmp_path: Path, word: str) -> None:
    (tmp_path / "file").write_text("from the context\n")
    text = f"""
ARG WHO={word}
COPY --chmod=600 <<EOF /srv/one
$WHO and \\$WHO
EOF
COPY <<"a.sh" file <<b /srv/many/
$WHO
a.sh
${{WHO%{word[1:]}}}
b
""".replace("a.sh", "a_sh")
    said, _ = built(text, "cat /srv/one; stat -c %a /srv/one; cd /srv/many; head *")
    assert said == (
        f"{word} and $WHO\n600\n==> a_sh <==\n$WHO\n\n==> b <==\nw\n\n==> file <==\nfrom the context\n"
    )


def test_a_cache_outlives_its_step_and_is_no_part_of_the_image(built: Built, word: str) -> None:
    mount = f"RUN --mount=type=cache,target=/srv/cache,id={word}"
    text = f"{mount} echo {word} > /srv/cache/kept\n{mount},sharing=locked cp /srv/cache/kept /srv/copy\n"
    said, _ = built(text, "cat /srv/copy; ls -A /srv")
    assert said == f"{word}\ncopy\n"
    again, _ = built(f"{mount} cat /srv/cache/kept > /srv/later\n", "cat /srv/later")
    assert again == f"{word}\n"


def test_files_are_shown_to_one_step(built: Built, tmp_path: Path, word: str) -> None:
    (tmp_path / "needs.txt").write_text(f"{word}\n")
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "leaf").write_text("leaf\n")
    text = """
RUN echo hidden > /srv/needs.txt
WORKDIR /srv
RUN --mount=type=bind,source=needs.txt,target=needs.txt --mount=source=tree,target=/tree,ro \\
    --mount=type=tmpfs,target=/tmp/scratch \\
    --mount=from=other,source=/made,target=/usr/share/made \\
    cat needs.txt /tree/leaf /usr/share/made/up > seen; touch /tmp/scratch/x; ls -A /tree >> seen
"""
    base = f"FROM debian:12 AS other\nRUN mkdir /made; echo up {word} > /made/up\nFROM debian:12"
    said, _ = built(text, "cat seen needs.txt; ls -d /tree /tmp/scratch /usr/share/made", base)
    assert said.startswith(f"{word}\nleaf\nup {word}\nleaf\nhidden\n")
    assert said.count("No such file") == 3


def test_a_changed_file_that_a_step_saw_does_the_step_again(built: Built, tmp_path: Path, word: str) -> None:
    for content in ("one", "two"):
        (tmp_path / "file").write_text(f"{content} {word}")
        said, _ = built("RUN --mount=target=/ctx cp /ctx/file /srv/\n", "cat /srv/file")
        assert said == f"{content} {word}"


def test_a_step_without_a_network_has_none(built: Built, word: str) -> None:
    text = f"RUN --network=none echo {word}; sed -n s/:.*//p /proc/net/dev > /srv/net\n"
    assert built(text, "cat /srv/net")[0].split() == ["lo"]


def test_secrets_are_not_there_and_that_is_said(built: Built, word: str) -> None:
    said, lines = built(
        f"RUN --mount=type=secret,id=key ls -A /run/secrets; echo {word} > /srv/x", "cat /srv/x"
    )
    assert said == f"{word}\n"
    assert "WARNING: line 2: builds get no secret key here" in lines


@pytest.mark.parametrize("text", ["RUN --mount=type=secret,id=key,required=true x", "COPY --parents a b/"])
def test_what_cannot_be_done_is_refused_with_its_line(built: Built, tmp_path: Path, text: str) -> None:
    (tmp_path / "a").touch()
    with pytest.raises(DaytonaError, match="Dockerfile line 3: "):
        built(f"\n{text}\n")


def test_triggers_wait_for_the_next_build(built: Built, tmp_path: Path, word: str) -> None:
    (tmp_path / "app").write_text(word)
    base = "FROM debian:12 AS base\nONBUILD COPY app /srv/app\nONBUILD RUN ls /srv > /srv/seen\nRUN ls /srv > /first\n"
    said, lines = built("", "cat /first /srv/seen /srv/app", f"{base}FROM base")
    assert said == f"app\nseen\n{word}"
    assert "[ONBUILD] COPY app /srv/app" in lines


def test_arguments_have_their_scopes(built: Built, word: str) -> None:
    text = f"""
ARG A
ARG B=${{A}}-b TARGETARCH
RUN echo {word} "$A|$B|$C|$TARGETARCH" > /srv/one
FROM one
ARG C=${{A:+c}}
ENV D=$B C=env
RUN echo "$A|$B|$C|$TARGETOS" > /srv/two
FROM debian:12
COPY --from=1 /srv /srv
ARG D=d
RUN echo "$A|$D" > /srv/three
"""
    base = "ARG A=a\nARG VERSION=12\nFROM --platform=$BUILDPLATFORM debian:${VERSION} AS one"
    said, _ = built(text, "cat /srv/one /srv/two /srv/three; echo $A", base)
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
    assert said == f"{word} a|a-b||{architecture}\na|a-b|env|\n|d\n\n"


def test_a_variable_that_must_be_set_fails_the_build(built: Built) -> None:
    with pytest.raises(DaytonaError, match="Dockerfile line 3: X: give me X"):
        built("ARG X\nENV Y=${X:?give me X}\n".replace("ARG X\n", "\n"))


def test_another_machine_cannot_be_built_for(built: Built) -> None:
    with pytest.raises(DaytonaError, match="this machine is linux/"):
        built("", base="FROM --platform=linux/s390x debian:12")


def test_a_stage_cannot_copy_from_itself(built: Built) -> None:
    with pytest.raises(DaytonaError, match="image '0' not found"):
        built("COPY --from=0 /a /b\n")


@AS_ROOT
def test_copied_files_have_owners_and_modes(built: Built, tmp_path: Path, word: str) -> None:
    (tmp_path / "file").write_text(word)
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "x").write_text("")
    text = """
RUN useradd -m -u 4321 app
COPY --chown=app --chmod=640 file /srv/a
COPY --chown=12:34 d /srv/d
USER app
WORKDIR /home/app
RUN id -un > who; echo ~ >> who; touch mine
"""
    said, _ = built(text, "stat -c '%u:%g %a' /srv/a /srv/d/x /home/app/mine; cat who")
    assert said == "4321:4321 640\n12:34 644\n4321:4321 644\napp\n/home/app\n"
    with pytest.raises(DaytonaError, match="only octal numbers"):
        built("COPY --chmod=u+x file d /srv/\n")


@AS_ROOT
@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("nobody", "65534:65534:65534"),  # whose group has another name
        ("man", "6:12:12"),
        ("6", "6:12:12"),
        ("4321", "4321:0:0"),
        ("man:daemon", "6:1:1"),
        ("4321:4322", "4321:4322:4322"),
    ],
)
def test_a_user_has_its_own_group_and_no_others(built: Built, word: str, user: str, expected: str) -> None:
    said, _ = built(f"USER {user}\nRUN echo $(id -u):$(id -g):$(id -G) {word} > /tmp/who\n", "cat /tmp/who")
    assert said == f"{expected} {word}\n"


@AS_ROOT
def test_copied_files_have_the_group_of_their_user(built: Built, tmp_path: Path, word: str) -> None:
    (tmp_path / "file").write_text(word)
    said, _ = built(
        "COPY --chown=man file /srv/a\nCOPY --chown=6 file /srv/b\n", "stat -c %u:%g /srv/a /srv/b"
    )
    assert said == "6:12\n6:6\n"


@AS_ROOT
def test_a_user_that_is_not_there_is_told_with_the_file_that_lacks_it(built: Built) -> None:
    with pytest.raises(DaytonaError, match="'nosuch' is not in /etc/passwd"):
        built("USER nosuch\nRUN id\n")


def test_owners_of_files_change_where_there_are_several_users(built: Built, word: str) -> None:
    text = f"RUN echo {word} > /srv/x && chown 12:34 /srv/x && mkdir /srv/d && chown -R daemon /srv/d\n"
    said, lines = built(text, "stat -c %u:%g /srv/x")
    assert said == ("12:34\n" if os.getuid() == 0 else "0:0\n")
    assert (ONE_OWNER in lines) == (os.getuid() != 0)


OWN = """
import os, sys
from daytona_plugins.local.runtime import kernel, seccomp
kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
kernel.set_seccomp_filter(seccomp.build_owners_filter())
for change in (os.chown, os.lchown):
    change(sys.argv[1], 12345, 12345)
with open(sys.argv[1]) as file:
    os.fchown(file.fileno(), 12345, 12345)
os.chmod(sys.argv[1], 0o600)
"""


def test_a_program_may_believe_that_it_has_changed_owners(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch(0o644)
    subprocess.run([sys.executable, "-c", OWN, str(file)], check=True)
    assert (file.stat().st_uid, file.stat().st_mode & 0o777) == (os.getuid(), 0o600)


@contextmanager
def web(files: dict[str, bytes]) -> Generator[tuple[str, list[str]]]:
    """Serve files on the loopback interface, and list what was asked for."""
    asked: list[str] = []

    class Handler(QuietHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            content = files.get(self.path)
            self.send_response(404 if content is None else 200)
            self.end_headers()
            self.wfile.write(content or b"")

    with web_server(Handler) as address:
        yield address, asked


def archive(name: str, content: str, mode: Literal["w:", "w:gz", "w:bz2", "w:xz"]) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode=mode) as file:
        member = tarfile.TarInfo(name)
        member.size, member.uid, member.gid = len(content), 12, 34
        file.addfile(member, io.BytesIO(content.encode()))
    return written.getvalue()


def test_add_fetches_files(built: Built, word: str) -> None:
    tar = archive("inner", word, "w:gz")
    with web({"/one": word.encode(), "/a%20b.tgz": tar, "/two": b"2"}) as (site, asked):
        checked = f"ADD --checksum=sha256:{hashlib.sha256(b'2').hexdigest()} {site}/two /srv/\n"
        text = (
            f"ARG SITE={site}\nADD $SITE/one /srv/renamed\nADD --chmod=644 {site}/a%20b.tgz /srv/\n{checked}"
        )
        said, _ = built(text, "cd /srv; stat -c '%n %a' *; cat renamed two")
        assert said == f"a b.tgz 644\nrenamed 600\ntwo 600\n{word}2", (
            "what comes from the network is not opened"
        )
        asked.clear()
        built(text)
        assert "/two" not in asked, "its checksum says what it is"
        with pytest.raises(DaytonaError, match="/three: HTTP Error 404"):
            built(f"ADD {site}/three /srv/\n")
        with pytest.raises(DaytonaError, match="has no name of a file"):
            built(f"ADD {site}/ /srv/\n")
        with pytest.raises(DaytonaError, match=f"is sha256:{hashlib.sha256(word.encode()).hexdigest()}, not"):
            built(f"ADD --checksum=sha256:{'0' * 64} {site}/one /srv/\n")


@pytest.mark.parametrize("kind", ["w:", "w:gz", "w:bz2", "w:xz"])
def test_add_opens_archives(built: Built, tmp_path: Path, word: str, kind: Any) -> None:
    (tmp_path / "files.tar").write_bytes(archive("inner/file", word, kind))
    (tmp_path / "plain").write_text(word)
    text = "ADD files.tar plain /srv/\nADD files.tar /new\nCOPY files.tar /closed/\nADD --unpack=false files.tar /shut\n"
    said, _ = built(text, "cat /srv/inner/file /srv/plain /new/inner/file; ls /srv /closed /shut")
    assert said == f"{word * 3}/shut\n\n/closed:\nfiles.tar\n\n/srv:\ninner\nplain\n"


def test_some_files_are_left_out(built: Built, tmp_path: Path, word: str) -> None:
    for name in ("a.txt", "b.md", "d/c.txt", "d/e.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(word)
    said, _ = built("COPY --exclude=*.md --exclude=**/c.* a.txt b.md d /srv/\n", "ls /srv")
    assert said == "a.txt\n"
