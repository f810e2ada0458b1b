"""Use a desktop as a person would: open an editor, type into it, press its button, and take a picture of the screen.

The picture is saved where the first argument says. The sandbox needs the Debian packages of a desktop (xvfb, openbox), and
python3-gi and gir1.2-gtk-3.0 for this editor: `apt-get install` them on this machine, or in the image of your sandboxes.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, TypeVar

from daytona import Daytona, ScreenshotRegion, SessionExecuteRequest

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

EDITOR = """
import gi
gi.require_version("Gdk", "3.0")
gi.require_version("Gtk", "3.0")
from gi.repository import Gdk, Gtk

style = Gtk.CssProvider()
style.load_from_data(b"textview { font: 20px monospace; padding: 12px } label { font: 16px sans }")
Gtk.StyleContext.add_provider_for_screen(Gdk.Screen.get_default(), style, 600)

window = Gtk.Window(title="An editor in a sandbox", default_width=640, default_height=360)
text, count = Gtk.TextView(), Gtk.Button(label="Count words")
answer = Gtk.Label(label="")
count.connect("clicked", lambda _: answer.set_text(f"{len(words().split())} words"))

def words():
    buffer = text.get_buffer()
    return buffer.get_text(buffer.get_start_iter(), buffer.get_end_iter(), False)

box = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=6, margin=6)
box.pack_start(text, True, True, 0)
box.pack_start(count, False, False, 0)
box.pack_start(answer, False, False, 0)
window.add(box)
window.connect("destroy", Gtk.main_quit)
window.show_all()
Gtk.main()
"""

TEXT = """Dear desktop,

these words were typed by a program,
into a window, in a sandbox.
"""


def wait_for(look: Callable[[], list[T]]) -> T:
    """Return the first thing that is seen: programs take a moment to show what they do."""
    deadline = time.monotonic() + 30
    while not (seen := look()):
        if time.monotonic() > deadline:
            raise SystemExit("it does not show: are python3-gi and gir1.2-gtk-3.0 in the sandbox?")
        time.sleep(0.1)
    return seen[0]


def main(picture: str) -> None:
    """Type, count and take the picture."""
    with Daytona() as daytona, daytona.create() as sandbox:
        desktop = sandbox.computer_use
        desktop.start()

        sandbox.fs.upload_file(EDITOR.encode(), "editor.py")
        sandbox.process.create_session("editor")
        request = SessionExecuteRequest(command="/usr/bin/python3 editor.py", run_async=True)
        sandbox.process.execute_session_command("editor", request)
        window = wait_for(lambda: desktop.display.get_windows().windows)
        print("the window is called", window.title)
        desktop.mouse.click(window.x + 300, window.y + 100)
        desktop.keyboard.type(TEXT)

        # A button is found by its name, wherever it is.
        names = desktop.accessibility
        button = wait_for(lambda: names.find_nodes(role="push button", name="Count words").matches)
        place = button.bounds
        desktop.mouse.click(place.x + place.width * 3 // 4, place.y + place.height // 2)
        answer = wait_for(lambda: names.find_nodes(role="label", name="15 words").matches)
        print("it says", answer.name)

        around = ScreenshotRegion(
            x=window.x - 16, y=window.y - 32, width=window.width + 32, height=window.height + 52
        )
        shot = desktop.screenshot.take_region(around, show_cursor=True)
        shot.save(picture)
        print("a picture of it is in", picture)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "desktop.png")
