"""The desktop in a browser: noVNC's page behind a preview, and the protocol of VNC over its WebSocket."""

from __future__ import annotations

import base64
import http.client
import io
import shutil
import socket
import struct
import time
from contextlib import closing
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, Request

from tests.answers import Answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.local.platform_process import Platform

Image = pytest.importorskip("PIL.Image", reason="needs the Python package pillow (extra `desktop`)")

PORT = 6080
VIEWERS = "grep -lx x11vnc /proc/[0-9]*/comm"

needs_desktop = pytest.mark.skipif(
    None in (shutil.which("Xvfb"), shutil.which("openbox")), reason="needs the Debian packages xvfb openbox"
)
needs_viewer = pytest.mark.skipif(
    shutil.which("x11vnc") is None or shutil.which("vnc.html", mode=0, path="/usr/share/novnc") is None,
    reason="needs the Debian packages x11vnc novnc",
)


class View:
    """The preview of a desktop."""

    def __init__(self, platform: Platform, sandbox_id: str) -> None:
        self.id = sandbox_id
        self.address = urlsplit(platform.endpoint.api_url).netloc
        found = platform.api("GET", f"/sandbox/{sandbox_id}/ports/{PORT}/preview-url").json
        self.token: str = found["token"]
        self.host = f"{PORT}-{sandbox_id}.localhost:{self.address.partition(':')[2]}"

    def ask(self, path: str) -> Answer:
        """Send one request, as a browser would."""
        headers = {"Host": self.host, "X-Daytona-Preview-Token": self.token}
        with closing(http.client.HTTPConnection(self.address, timeout=30)) as connection:
            connection.request("GET", path, headers=headers)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())


class Viewer:
    """What noVNC does: the bytes of VNC in the binary messages of a WebSocket."""

    def __init__(self, view: View) -> None:
        host, _, port = view.address.partition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=30)
        self._machine = WSConnection(ConnectionType.CLIENT)
        self._received = b""
        token = [(b"X-Daytona-Preview-Token", view.token.encode())]
        asking = Request(host=view.host, target="/websockify", subprotocols=["binary"], extra_headers=token)
        self._socket.sendall(self._machine.send(asking))
        assert isinstance(self._next_event(), AcceptConnection)

    def _next_event(self) -> object:
        while (event := next(self._machine.events(), None)) is None:
            self._machine.receive_data(self._socket.recv(65536) or None)
        return event

    def send(self, data: bytes) -> None:
        self._socket.sendall(self._machine.send(BytesMessage(data)))

    def receive(self, size: int) -> bytes:
        """Return exactly so many bytes."""
        while len(self._received) < size:
            event = self._next_event()
            assert isinstance(event, BytesMessage), event
            self._received += bytes(event.data)
        data, self._received = self._received[:size], self._received[size:]
        return data

    def shake_hands(self) -> tuple[int, int]:
        """Return the width and the height of the screen."""
        assert self.receive(12) == b"RFB 003.008\n"
        self.send(b"RFB 003.008\n")
        kinds = self.receive(self.receive(1)[0])
        assert 1 in kinds, "a way without a password: the preview has let us in"
        self.send(b"\x01")
        assert self.receive(4) == bytes(4)
        self.send(b"\x01")
        width, height = struct.unpack(">HH", self.receive(4))
        self.receive(16)
        (length,) = struct.unpack(">I", self.receive(4))
        self.receive(length)
        return width, height

    def pixels(self, x: int, y: int, width: int, height: int) -> bytes:
        """Return a piece of the screen, four bytes a pixel."""
        true_colour = struct.pack(">BBBBHHHBBB3x", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)
        self.send(b"\x00\x00\x00\x00" + true_colour)
        self.send(struct.pack(">BxHi", 2, 1, 0))  # nothing but raw rectangles
        self.send(struct.pack(">BBHHHH", 3, 0, x, y, width, height))
        _kind, rectangles = struct.unpack(">BxH", self.receive(4))
        assert rectangles == 1
        assert struct.unpack(">HHHHi", self.receive(12)) == (x, y, width, height, 0)
        return self.receive(width * height * 4)

    def close(self) -> None:
        self._socket.sendall(self._machine.send(CloseConnection(1000)))
        self._socket.close()


@pytest.fixture(scope="module")
def sandbox_id(platform: Platform) -> Iterator[str]:
    made = str(platform.create(autoStopInterval=0)["id"])
    answer = platform.call("POST", f"/toolbox/{made}/computeruse/start")
    assert answer.status == 200, answer.body
    yield made
    platform.api("DELETE", f"/sandbox/{made}")


@pytest.fixture
def view(platform: Platform, sandbox_id: str) -> View:
    return View(platform, sandbox_id)


def shot(platform: Platform, sandbox_id: str, region: str) -> bytes:
    """Return what a screenshot shows there, as VNC has it."""
    answer = platform.call("GET", f"/toolbox/{sandbox_id}/computeruse/screenshot/region?{region}").json
    with Image.open(io.BytesIO(base64.b64decode(answer["screenshot"]))) as picture:
        return bytes(picture.convert("RGBX").tobytes("raw", "BGRX"))


@needs_desktop
@needs_viewer
def test_the_page_is_there_with_all_its_parts(view: View) -> None:
    first = view.ask("/")
    assert (first.status, first.headers["Location"]) == (302, "vnc.html")
    page = view.ask("/vnc.html")
    assert (page.status, page.headers["Content-Type"]) == (200, "text/html")
    assert b"noVNC" in page.body
    script = view.ask("/core/rfb.js")
    assert (script.status, script.headers["Content-Type"]) == (200, "text/javascript")
    assert view.ask("/../../../etc/passwd").status == 404
    assert view.ask("/%2e%2e/%2e%2e/etc/passwd").status == 404


@needs_desktop
@needs_viewer
def test_a_viewer_sees_the_screen_and_nothing_is_left_of_it(
    view: View, platform: Platform, sandbox_id: str
) -> None:
    viewer, another = Viewer(view), Viewer(view)
    assert viewer.shake_hands() == another.shake_hands() == (1024, 768)
    seen = viewer.pixels(10, 20, 8, 4)
    assert seen == another.pixels(10, 20, 8, 4) == shot(platform, sandbox_id, "x=10&y=20&width=8&height=4")
    assert len(platform.execute(sandbox_id, VIEWERS)["result"].split()) == 2
    viewer.close()
    another.close()
    gone = f"while {VIEWERS}; do sleep 0.05; done >/dev/null"
    assert platform.execute(sandbox_id, f"timeout 20 sh -c '{gone}'")["exitCode"] == 0


@needs_desktop
@needs_viewer
def test_a_viewer_moves_the_mouse(view: View, platform: Platform, sandbox_id: str) -> None:
    viewer = Viewer(view)
    viewer.shake_hands()
    viewer.send(struct.pack(">BBHH", 5, 0, 321, 123))
    deadline, place = time.monotonic() + 20, {}
    while place != {"x": 321, "y": 123} and time.monotonic() < deadline:
        place = platform.call("GET", f"/toolbox/{sandbox_id}/computeruse/mouse/position").json
    viewer.close()
    assert place == {"x": 321, "y": 123}


@needs_desktop
def test_only_a_desktop_that_runs_is_shown(platform: Platform) -> None:
    made = platform.create()["id"]
    view = View(platform, made)
    assert view.ask("/vnc.html").status == 502
    assert platform.call("POST", f"/toolbox/{made}/computeruse/start").status == 200
    assert view.ask("/vnc.html").status != 502
    names = platform.call("POST", f"/toolbox/{made}/computeruse/stop").json["status"]
    assert not any(program["running"] for program in names.values())
    assert view.ask("/vnc.html").status == 502
    platform.api("DELETE", f"/sandbox/{made}")


@needs_desktop
def test_missing_packages_are_named(platform: Platform) -> None:
    found = {name: shutil.which(name) for name in ("Xvfb", "openbox")}
    made = platform.create(env={"PATH": "/opt/few"})["id"]
    links = " ".join(f"/usr/bin/ln -s {path} /opt/few/{name};" for name, path in found.items())
    platform.execute(made, f"/usr/bin/mkdir /opt/few; {links} /usr/bin/ln -s /usr/bin/xkbcomp /opt/few/")
    started = platform.call("POST", f"/toolbox/{made}/computeruse/start")
    assert started.status == 200, started.body
    answer = View(platform, made).ask("/")
    assert answer.status == 503
    assert "apt-get install x11vnc" in answer.json["message"]
    platform.api("DELETE", f"/sandbox/{made}")
