"""A real git server on the loopback interface: `git http-backend` behind a small CGI bridge.

`/public/…` is open to everybody, `/private/…` to whoever has the credentials, `/forbidden/…` to nobody. `/moved/…` sends
its visitors on to another server, the way a thief of credentials would.
"""

from __future__ import annotations

import base64
import os
import subprocess
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

USER, PASSWORD = "ann", "s3cret-t0ken-4711"
_GIT = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_TERMINAL_PROMPT": "0"}
_IDENTITY = {f"GIT_{role}_{field}": "it" for role in ("AUTHOR", "COMMITTER") for field in ("NAME", "EMAIL")}


def git(*arguments: str, stdin: str = "") -> str:
    """Run git here, outside every sandbox."""
    done = subprocess.run(
        ["git", *arguments],
        input=stdin,
        env={**os.environ, **_GIT, **_IDENTITY},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


class GitServer:
    """Serves the bare repositories below a directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.authorizations: list[str] = []
        """What was sent to get in, to whichever path."""
        self.during_request: Callable[[], None] = lambda: None
        """Called while git waits for the answer to a request that was let in."""
        self.destination = ""
        """Where `/moved/` leads to."""
        self._httpd = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._httpd.daemon_threads = True
        self._thread = threading.Thread(target=self._httpd.serve_forever, args=(0.05,))
        self._thread.start()

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self._httpd.server_port}"

    def close(self) -> None:
        self._httpd.shutdown()
        self._httpd.server_close()
        self._thread.join()

    def make(self, name: str, *, files: dict[str, str] | None = None, branches: tuple[str, ...] = ()) -> str:
        """Make a repository with one commit on main, unless there are no files, and return its address."""
        directory = self.root / name
        git("init", "--quiet", "--bare", "--initial-branch=main", str(directory))
        git("-C", str(directory), "config", "http.receivepack", "true")
        if files is not None:
            self.commit(name, files)
        for branch in branches:
            git("-C", str(directory), "branch", branch, "main")
        return f"{self.origin}/{name}"

    def commit(self, name: str, files: dict[str, str], branch: str = "main", message: str = "more\n") -> str:
        """Add a commit on the server's side and return its hash."""
        directory = str(self.root / name)
        entries = [
            f"100644 blob {git('-C', directory, 'hash-object', '-w', '--stdin', stdin=content)}\t{path}\n"
            for path, content in sorted(files.items())
        ]
        tree = git("-C", directory, "mktree", stdin="".join(entries))
        found = git("-C", directory, "for-each-ref", "--format=%(objectname)", f"refs/heads/{branch}")
        parents = ["-p", found] if found else []
        commit = git("-C", directory, "commit-tree", tree, *parents, stdin=message)
        git("-C", directory, "update-ref", f"refs/heads/{branch}", commit)
        return commit

    def head(self, name: str, branch: str = "main") -> str:
        """Return the commit that a branch is at."""
        return git("-C", str(self.root / name), "rev-parse", branch)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                _answer(server, self)

            do_POST = do_GET

            def log_message(self, *args: object) -> None:
                pass

        return Handler


def _answer(server: GitServer, request: BaseHTTPRequestHandler) -> None:
    body = b"".join(_body(request))
    authorization = request.headers.get("Authorization")
    if authorization:
        server.authorizations.append(authorization)
    area = request.path.split("/")[1]
    if area == "moved":
        _send(request, 302, [("Location", server.destination + request.path.removeprefix("/moved"))])
    elif area == "forbidden":
        _send(request, 403, [])
    elif area == "private" and authorization != _basic(USER, PASSWORD):
        _send(request, 401, [("WWW-Authenticate", 'Basic realm="git"')])
    else:
        server.during_request()
        _send(request, *_backend(server.root, request, body))


def _basic(user: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def _body(request: BaseHTTPRequestHandler) -> Iterator[bytes]:
    if request.headers.get("Transfer-Encoding") != "chunked":
        yield request.rfile.read(int(request.headers.get("Content-Length") or 0))
        return
    while size := int(request.rfile.readline(), 16):
        yield request.rfile.read(size)
        request.rfile.readline()
    request.rfile.readline()


def _send(
    request: BaseHTTPRequestHandler, status: int, headers: list[tuple[str, str]], body: bytes = b""
) -> None:
    request.send_response(status)
    for name, value in headers:
        request.send_header(name, value)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)


class _CgiAnswer(NamedTuple):
    status: int
    headers: list[tuple[str, str]]
    body: bytes


def _backend(root: Path, request: BaseHTTPRequestHandler, body: bytes) -> _CgiAnswer:
    path, _, query = request.path.partition("?")
    variables = {
        "GIT_PROJECT_ROOT": str(root),
        "GIT_HTTP_EXPORT_ALL": "1",
        "GIT_PROTOCOL": request.headers.get("Git-Protocol", ""),
        "REQUEST_METHOD": request.command,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "CONTENT_TYPE": request.headers.get("Content-Type", ""),
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_CONTENT_ENCODING": request.headers.get("Content-Encoding", ""),
        "REMOTE_USER": USER,
        "REMOTE_ADDR": "127.0.0.1",
    }
    environment = {**os.environ, **_GIT, **variables}
    done = subprocess.run(["git", "http-backend"], input=body, env=environment, capture_output=True)
    head, _, content = done.stdout.partition(b"\r\n\r\n")
    headers = [tuple(line.split(": ", 1)) for line in head.decode().split("\r\n")]
    status = next((int(value.split()[0]) for name, value in headers if name == "Status"), 200)
    return _CgiAnswer(status, [(name, value) for name, value in headers if name != "Status"], content)


@contextmanager
def serving(root: Path) -> Generator[GitServer]:
    """Serve until the end of the block."""
    server = GitServer(root)
    try:
        yield server
    finally:
        server.close()
