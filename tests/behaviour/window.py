"""A window with a button, a line of text and a canvas, which prints what happens to it; runs inside a sandbox.

It is started by the sandbox's own Python and uses nothing of this project.
"""

import os

import gi

gi.require_version("Gdk", "3.0")
gi.require_version("Gtk", "3.0")
from gi.repository import Gdk, GLib, Gtk  # noqa: E402

MODIFIERS = {
    "ctrl": Gdk.ModifierType.CONTROL_MASK,
    "shift": Gdk.ModifierType.SHIFT_MASK,
    "alt": Gdk.ModifierType.MOD1_MASK,
}
LIFE = int(os.environ.get("WINDOW_LIFE", "20"))
"""Seconds after which the window closes: a test that waits in vain for a word shall fail, not hang."""
COLOURS = b".red { background: #ff0000 } .green { background: #00ff00 }"


class Window(Gtk.Window):
    """What the tests look at, type into and click."""

    def __init__(self):
        super().__init__(title="A window of tests")
        self.button = Gtk.Button(label="Press me")
        self.entry = Gtk.Entry()
        self.entry.get_accessible().set_name("What to say")
        self.canvas = Gtk.EventBox()
        self.colour(red=True)
        self.canvas.set_size_request(200, 120)
        box = Gtk.Box(orientation=Gtk.Orientation.VERTICAL)
        for widget in (self.button, self.entry, self.canvas):
            box.add(widget)
        self.add(box)
        self.connect_all()

    def connect_all(self):
        mask = Gdk.EventMask
        self.canvas.add_events(mask.BUTTON_PRESS_MASK | mask.BUTTON_RELEASE_MASK | mask.SCROLL_MASK)
        self.button.connect("clicked", self.turn_green)
        self.entry.connect("activate", lambda entry: say("said", entry.get_text()))
        self.canvas.connect("button-press-event", lambda _canvas, event: say(kind(event), *place(event)))
        self.canvas.connect("button-release-event", lambda _canvas, event: say("release", *place(event)))
        self.canvas.connect("scroll-event", lambda _canvas, event: say("scroll", event.direction.value_nick))
        self.connect("key-press-event", self.key)

    def key(self, _window, event):
        if event.keyval == Gdk.KEY_F5:
            say("key", *held(event), "f5")

    def colour(self, *, red):
        style = self.canvas.get_style_context()
        style.remove_class("green" if red else "red")
        style.add_class("red" if red else "green")

    def turn_green(self, _button):
        self.colour(red=False)
        self.when_painted("clicked")

    def when_painted(self, *words):
        """Say something once the screen shows what has been drawn."""
        clock = self.get_frame_clock()

        def painted(_clock):
            clock.disconnect(handler)
            Gdk.Display.get_default().sync()
            GLib.idle_add(say, *words)

        handler = clock.connect("after-paint", painted)
        clock.request_phase(Gdk.FrameClockPhase.PAINT)

    def areas(self):
        """Return where the widgets are on the screen."""
        _, left, top = self.get_window().get_origin()
        for widget in (self.button, self.entry, self.canvas):
            x, y = widget.translate_coordinates(self, 0, 0)
            yield from (left + x, top + y, widget.get_allocated_width(), widget.get_allocated_height())


def kind(event):
    return {Gdk.EventType._2BUTTON_PRESS: "double", Gdk.EventType._3BUTTON_PRESS: "triple"}.get(
        event.type, "press"
    )


def place(event):
    return event.button, int(event.x), int(event.y), *held(event)


def held(event):
    return [name for name, mask in MODIFIERS.items() if event.state & mask]


def say(*words):
    print(*words, flush=True)


def load_colours():
    provider = Gtk.CssProvider()
    provider.load_from_data(COLOURS)
    priority = Gtk.STYLE_PROVIDER_PRIORITY_APPLICATION
    Gtk.StyleContext.add_provider_for_screen(Gdk.Screen.get_default(), provider, priority)


def main():
    load_colours()
    window = Window()
    window.connect("destroy", Gtk.main_quit)
    GLib.timeout_add_seconds(LIFE, Gtk.main_quit)

    def focused(_window, _event):
        window.disconnect(handler)
        window.when_painted("areas", *window.areas())

    handler = window.connect("focus-in-event", focused)
    window.show_all()
    Gtk.main()


main()
