"""Language servers, ports, recordings and the desktop: 18.8 of the catalogue."""

from __future__ import annotations

import contextlib
import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.behaviour.stand_in_server import SERVER, span
from tests.toolbox.raw import Closed, dropping, refuses

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.answers import Answer
    from tests.toolbox.raw import Toolbox

# -- Language servers -------------------------------------------------------------------------------------------------

ANSWERS = {
    "textDocument/documentSymbol": [
        {"result": [{"name": "f", "kind": 12, "location": {"uri": "file:///a.ts", "range": span(1, 2)}}]},
        {"result": None},
    ],
    "textDocument/completion": [
        {"result": [{"label": "x", "kind": 6, "textEdit": {}}]},
        {"result": None},
        {"result": {"isIncomplete": True, "items": [{"label": "y"}]}},
    ],
    "workspace/symbol": [{"error": {"code": -32601, "message": "Method Not Found"}}],
}


class Project:
    """A directory with a language server of its own."""

    def __init__(self, toolbox: Toolbox, folder: str) -> None:
        self.toolbox = toolbox
        self.root = f"{toolbox.get('/work-dir').json['dir']}/{folder}"
        program = f"{folder}/node_modules/.bin/typescript-language-server"
        toolbox.write(program, (SERVER % json.dumps(ANSWERS)).encode())
        toolbox.run(f"chmod 755 {program}")
        if not toolbox.ours and toolbox.run(f"cp {program} /usr/local/bin/ && echo copied") != "copied\n":
            pytest.skip("the language server of this test cannot be put where the daemon looks for it")
        toolbox.write(f"{folder}/a.ts", b"let x = 1\n")

    @property
    def facts(self) -> dict[str, str]:
        return {"languageId": "typescript", "pathToProject": self.root}

    def ask(self, call: str, **fields: Any) -> Answer:
        return self.toolbox.post(f"/lsp/{call}", {**self.facts, **fields})

    def look(self, call: str, **query: str) -> Answer:
        return self.toolbox.get(f"/lsp/{call}", **self.facts, **query)

    def complete(self, line: int, character: int) -> Answer:
        position = {"line": line, "character": character}
        return self.ask("completions", uri=f"file://{self.root}/a.ts", position=position)


@pytest.mark.case(73)
def test_a_language_server_from_its_start_to_its_end(toolbox: Toolbox, folder: str) -> None:
    project = Project(toolbox, folder)
    uri = f"file://{project.root}/a.ts"
    for early in (
        project.ask("did-open", uri=uri),
        project.complete(1, 1),
        project.look("document-symbols", uri=uri),
        project.look("workspacesymbols", query="f"),
    ):
        assert refuses(early, 400, "LSP_SERVER_NOT_INITIALIZED", ours=toolbox.ours)
    for _ in range(2):
        started = project.ask("start")
        assert (started.status, started.body) == (200, b"")
    assert project.ask("did-open", uri=uri).status == 200
    assert project.ask("did-open", uri=f"{uri}.none").status in (400, 404)
    (symbol,) = project.look("document-symbols", uri=uri).json
    assert symbol == {
        "name": "f",
        "kind": 12,
        "location": {"uri": symbol["location"]["uri"], "range": span(1, 2)},
    }
    assert project.look("document-symbols", uri=uri).json in ([], None)
    assert project.complete(1, 1).json == {"isIncomplete": False, "items": [{"label": "x", "kind": 6}]}
    nothing = project.complete(1, 1).json
    assert (nothing["isIncomplete"], nothing["items"] or []) == (False, [])
    if toolbox.ours:  # v0.190 takes a zero for nothing
        assert project.complete(0, 0).json == {"isIncomplete": True, "items": [{"label": "y"}]}
    assert refuses(project.look("workspacesymbols", query="f"), 400, ours=toolbox.ours)
    assert project.ask("did-close", uri=uri).status == 200
    assert project.ask("stop").status == 200
    assert project.complete(1, 1).status == 400


@pytest.mark.case(73)
def test_a_language_that_nobody_serves_is_refused(toolbox: Toolbox, folder: str) -> None:
    for fields in ({"languageId": "cobol", "pathToProject": folder}, {"languageId": "python"}, {}):
        assert refuses(toolbox.post("/lsp/start", fields), 400, ours=toolbox.ours)


# -- Ports and the proxy ----------------------------------------------------------------------------------------------

ECHO = """\
import base64, hashlib, http.server, json, socketserver
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def any(self):
        if self.headers["Upgrade"]:
            key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
            self.send_response(101)
            self.send_header("Upgrade", "websocket")
            self.send_header("Connection", "Upgrade")
            self.send_header("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key.encode()).digest()).decode())
            self.end_headers()
            self.wfile.write(bytes([0x81, 2]) + b"hi" + bytes([0x88, 2, 3, 232]))
            self.close_connection = True
            return
        body = self.rfile.read(int(self.headers["Content-Length"] or 0)).decode()
        said = [self.command, self.path, body, self.headers["Host"], self.headers["X-Own"]]
        answer = json.dumps(said).encode()
        self.send_response(207)
        self.send_header("X-Theirs", "kept")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)
    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = any
    def log_message(self, *args):
        pass
for port in range(3000, 9999):
    try:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        break
    except OSError:
        pass
print(port, flush=True)
server.serve_forever()
"""


@pytest.fixture(scope="module")
def echoing_port(toolbox: Toolbox) -> Iterator[int]:
    """A port of the sandbox on which a program tells what it was asked."""
    toolbox.write("echo.py", ECHO.encode())
    toolbox.run("python3 echo.py > echo.port 2> echo.errors & echo $! > echo.pid")
    toolbox.until("grep -c . echo.port || cat echo.errors", "1")
    yield int(toolbox.read("echo.port"))
    toolbox.run("kill $(cat echo.pid)")


@pytest.mark.case(74)
def test_ports_show_listeners(toolbox: Toolbox, echoing_port: int) -> None:
    deadline = time.monotonic() + 20
    while echoing_port not in toolbox.get("/port").json["ports"]:
        assert time.monotonic() < deadline
    assert toolbox.get(f"/port/{echoing_port}/in-use").json == {"isInUse": True}


@pytest.mark.case(74)
def test_a_port_that_nobody_listens_on_is_not_in_use(toolbox: Toolbox, unused_toolbox_port: int) -> None:
    assert toolbox.get(f"/port/{unused_toolbox_port}/in-use").json == {"isInUse": False}


@pytest.fixture
def unused_toolbox_port(toolbox: Toolbox) -> int:
    taken = toolbox.get("/port").json["ports"]
    return next(port for port in range(9999, 3000, -1) if port not in taken)


@pytest.mark.case(74)
@pytest.mark.parametrize("port", ["80", "10000", "abc", "-1", "9" * 5000])
def test_ports_outside_the_range_are_refused(toolbox: Toolbox, port: str) -> None:
    assert refuses(toolbox.get(f"/port/{port}/in-use"), 400, ours=toolbox.ours)


@pytest.mark.case(75)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH"])
def test_the_proxy_changes_nothing(toolbox: Toolbox, echoing_port: int, method: str) -> None:
    target = "/a%2Fb%20c/../d//e?x=%26&y=1+2"
    body = b"bytes" if method != "GET" else None
    answer = toolbox.request(method, f"/proxy/{echoing_port}{target}", body, {"X-Own": "mine"})
    assert (answer.status, answer.headers["x-theirs"]) == (207, "kept")
    assert answer.json == [method, target, "bytes" if body else "", f"localhost:{echoing_port}", "mine"]


@pytest.mark.case(75)
def test_a_websocket_passes_the_proxy(toolbox: Toolbox, echoing_port: int) -> None:
    with dropping(toolbox.websocket(f"/proxy/{echoing_port}/ws")) as socket:
        assert socket.rest() == (["hi"], Closed(1000))


@pytest.mark.case(75)
def test_a_port_without_a_program_is_a_bad_gateway(toolbox: Toolbox, unused_toolbox_port: int) -> None:
    answer = toolbox.request("GET", f"/proxy/{unused_toolbox_port}/")
    assert (answer.status, answer.body) == (502, b"")
    assert refuses(toolbox.request("GET", "/proxy/abc/"), 400, "BAD_REQUEST", ours=toolbox.ours)


# -- Recordings -------------------------------------------------------------------------------------------------------

FILMS = "/computeruse/recordings"
FFMPEG = """\
#!/bin/sh
for last; do :; done
printf 'a film' > "$last"
trap 'exit 0' INT TERM
while :; do sleep 0.05; done
"""


@pytest.fixture
def stand_in_camera(toolbox: Toolbox, folder: str) -> Iterator[None]:
    """An ffmpeg that films nothing."""
    program = f"{toolbox.get('/work-dir').json['dir']}/{folder}/ffmpeg"
    toolbox.write(program, FFMPEG.encode())
    toolbox.run(f"chmod 755 {program}")
    before = toolbox.run('printf %s "$PATH"')
    change = {"PATH": f"{program.rpartition('/')[0]}:{before}", "DISPLAY": ":99"}
    if toolbox.post("/env", {"set": change}).status != 200:
        pytest.skip("this toolbox is too old to be shown another ffmpeg")
    yield
    assert toolbox.post("/env", {"set": {"PATH": before}, "unset": ["DISPLAY"]}).status == 200


@pytest.mark.case(76)
@pytest.mark.usefixtures("stand_in_camera")
def test_a_recording_from_its_start_to_its_end(toolbox: Toolbox) -> None:
    started = toolbox.post(f"{FILMS}/start", {"label": "my film"})
    film = started.json
    path = f"{FILMS}/{film['id']}"
    assert (started.status, film["status"]) == (201, "recording")
    assert film["fileName"].startswith(f"{film['id']}_my film_")
    assert film["filePath"].endswith(f"/{film['fileName']}")
    with contextlib.ExitStack() as stack:
        stack.callback(toolbox.post, f"{FILMS}/stop", {"id": film["id"]})
        assert film["id"] in [each["id"] for each in toolbox.get(FILMS).json["recordings"]]
        assert toolbox.get(path).json["status"] == "recording"
        assert refuses(toolbox.delete(path), 409, "RECORDING_STILL_ACTIVE", ours=toolbox.ours)
        stopped = toolbox.post(f"{FILMS}/stop", {"id": film["id"]})
    assert (stopped.status, stopped.json["status"], stopped.json["sizeBytes"]) == (200, "completed", 6)
    assert stopped.json.keys() >= {"endTime", "durationSeconds"}
    download = toolbox.request("GET", f"{path}/download", headers={"Range": "bytes=2-5"})
    assert (download.status, download.headers["content-type"], download.body) == (206, "video/mp4", b"film")
    again = toolbox.post(f"{FILMS}/stop", {"id": film["id"]})
    assert refuses(again, 404, ours=toolbox.ours)
    assert (toolbox.delete(path).status, toolbox.delete(path).status) == (204, 404)
    for gone in (toolbox.get(path), toolbox.get(f"{path}/download")):
        assert refuses(gone, 404, ours=toolbox.ours)


@pytest.mark.case(76)
@pytest.mark.parametrize("label", ["../x", ".hidden", "x" * 101, "é", "a/b", "a\n"])
def test_a_label_that_is_no_file_name_is_refused(toolbox: Toolbox, label: str) -> None:
    assert refuses(toolbox.post(f"{FILMS}/start", {"label": label}), 400, ours=toolbox.ours)
    assert refuses(toolbox.post(f"{FILMS}/stop", {}), 400, ours=toolbox.ours)


# -- The desktop ------------------------------------------------------------------------------------------------------


@pytest.fixture
def desktop(toolbox: Toolbox) -> Toolbox:
    answer = toolbox.get("/computeruse/status")
    if answer.status == 503:
        assert answer.json.keys() >= {"message", "details", "solution"}
        pytest.skip(answer.json["message"])
    assert answer.json == {"status": "inactive"}
    return toolbox


@pytest.mark.case(77)
@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("/screenshot/compressed?quality=101", "quality: must be between 1 and 100"),
        ("/screenshot/compressed?quality=x", "quality"),
        ("/screenshot/compressed?scale=2", "scale: must be between 0.1 and 1"),
        ("/screenshot/compressed?scale=nan", "scale"),
        ("/screenshot/region?x=0&y=0&width=0&height=1", "width"),
        ("/screenshot/region?y=0&width=1&height=1", "x"),
        (f"/screenshot/region?x={'9' * 5000}&y=0&width=1&height=1", "x"),
        ("/screenshot?showCursor=maybe", "showCursor"),
    ],
)
def test_parameters_of_pictures_are_checked(desktop: Toolbox, target: str, told: str) -> None:
    answer = desktop.request("GET", f"/computeruse{target}")
    assert refuses(answer, 400, ours=desktop.ours)
    assert f"invalid query parameter {told}" in answer.body.decode()


@pytest.mark.case(77)
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("keyboard/key", {"key": "!"}),
        ("keyboard/key", {"key": "num+"}),
        ("keyboard/key", {"key": " "}),
        ("keyboard/key", {"key": "a", "modifiers": ["ctrl", "control"]}),
        ("keyboard/key", {"key": "a", "modifiers": ["a"]}),
        ("keyboard/hotkey", {"keys": "ctrl+"}),
        ("keyboard/hotkey", {"keys": "a+b"}),
        ("mouse/click", {"x": 1, "y": 1, "button": "nose"}),
        ("mouse/click", b"{"),
        ("mouse/scroll", {"x": 1, "y": 1, "direction": "round"}),
        ("mouse/move", {"x": "1", "y": 1}),
    ],
)  # fmt: skip
def test_keys_buttons_and_directions_are_checked(desktop: Toolbox, path: str, body: Any) -> None:
    assert refuses(desktop.post(f"/computeruse/{path}", body), 400, ours=desktop.ours)


@pytest.mark.case(77)
def test_processes_of_the_desktop_have_names(desktop: Toolbox) -> None:
    one = "/computeruse/process"
    assert desktop.get(f"{one}/xvfb/status").json == {"processName": "xvfb", "running": False}
    assert refuses(desktop.get(f"{one}/nope/status"), 503, ours=desktop.ours)
    assert refuses(desktop.post(f"{one}/nope/restart"), 400, ours=desktop.ours)
    assert refuses(desktop.get(f"{one}/nope/logs"), 400, ours=desktop.ours)
    assert desktop.get("/computeruse/nope").body == b"404 page not found"
