"""The X server seen as a screen: pixels, pointer, keyboard and windows. Everything here blocks for a moment."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

from PIL import Image
from Xlib import XK, X, error, ext
from Xlib.display import Display
from Xlib.ext import xtest
from Xlib.protocol import event

from daytona_plugins.computer_use.desktop.keys import keysym_of

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from Xlib.xobject.drawable import Window

DRAG_STEPS: Final = 20
DRAG_PAUSE: Final = 0.01
CLICK_PAUSE: Final = 0.05
"""Seconds between clicks: window managers hold the first one back for a moment, and lose what comes meanwhile."""
STANDSTILL: Final = 0.25
"""Seconds that a pointer which does not move is waited for: programs may also hold it for themselves."""
STANDSTILL_POLL: Final = 0.002
CLICK_PATIENCE: Final = 2.0
"""Seconds that a window manager has for a click before keys are pressed all the same."""
ALL_PLANES: Final = 0xFFFFFFFF

# Keys that are on no keyboard of today have names in groups of their own.
for _group in ("latin1", "miscellany", "xkb"):
    XK.load_keysym_group(_group)


# A connection imports all extensions that the server has, and asks it about each: we use this one.
vars(ext)["__extensions__"][:] = [("XTEST", "xtest")]


class Place(NamedTuple):
    """A point on the screen."""

    x: int
    y: int


class Area(NamedTuple):
    """A rectangle of the screen."""

    x: int
    y: int
    width: int
    height: int


class WindowFacts(NamedTuple):
    """A window as its manager knows it."""

    id: int
    title: str
    area: Area
    is_active: bool


class OutsideError(Exception):
    """A region that is not on the screen."""


class Screen:
    """One connection to the X server.

    Args:
        display: Name of the server, such as ":0".
    """

    def __init__(self, display: str) -> None:
        self._display = Display(display)
        self._root = self._display.screen().root
        self._keyboard = _Keyboard(self._display)
        self._unseen: Window | None = None
        self._clicked = False

    def close(self) -> None:
        """End the connection."""
        self._display.close()

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        screen = self._display.screen()
        return screen.width_in_pixels, screen.height_in_pixels

    # -- Pixels ---------------------------------------------------------------------------------------------------

    def picture(self, area: Area | None = None) -> Image.Image:
        """Return the screen, or a part of it.

        Raises:
            OutsideError: The part is not, or not wholly, on the screen.
        """
        width, height = self.size
        part = area or Area(0, 0, width, height)
        if part.x < 0 or part.y < 0 or part.x + part.width > width or part.y + part.height > height:
            raise OutsideError(
                f"the region {part.width}x{part.height} at ({part.x}, {part.y}) is not on the screen of {width}x{height}"
            )
        pixels = self._root.get_image(*part, X.ZPixmap, ALL_PLANES).data
        return Image.frombytes("RGB", (part.width, part.height), pixels, "raw", "BGRX")

    # -- Pointer --------------------------------------------------------------------------------------------------

    def position(self) -> Place:
        """Return where the pointer is."""
        pointer = self._root.query_pointer()
        return Place(pointer.root_x, pointer.root_y)

    def move(self, x: int, y: int) -> Place:
        """Move the pointer, as far as the screen goes.

        While a window manager looks at a click the pointer stands still: it is waited for, so that what comes next
        happens where it was meant to.
        """
        width, height = self.size
        goal = Place(min(max(x, 0), width - 1), min(max(y, 0), height - 1))
        xtest.fake_input(self._display, X.MotionNotify, x=goal.x, y=goal.y)
        self._display.sync()
        end = time.monotonic() + STANDSTILL
        while (place := self.position()) != goal and time.monotonic() < end:
            time.sleep(STANDSTILL_POLL)
        return place

    def button(self, number: int, *, down: bool) -> None:
        """Press or release a button where the pointer is."""
        xtest.fake_input(self._display, X.ButtonPress if down else X.ButtonRelease, number)
        self._display.sync()
        self._clicked = True

    def click(self, number: int, times: int, modifiers: Sequence[str]) -> None:
        """Press and release a button *times* times."""
        with self._holding(modifiers):
            for count in range(times):
                if count:
                    time.sleep(CLICK_PAUSE)
                self._push(number)

    def scroll(self, number: int, notches: int, modifiers: Sequence[str]) -> None:
        """Turn the wheel, which X takes for buttons."""
        with self._holding(modifiers):
            for _ in range(notches):
                self._push(number)

    def _push(self, number: int) -> None:
        self.button(number, down=True)
        self.button(number, down=False)

    def drag(self, start: Place, end: Place, number: int, modifiers: Sequence[str]) -> Place:
        """Move with a button held: in steps, because programs look at the way."""
        with self._holding(modifiers):
            place = self.move(*start)
            self.button(number, down=True)
            for step in range(1, DRAG_STEPS + 1):
                time.sleep(DRAG_PAUSE)
                place = self.move(
                    start.x + (end.x - start.x) * step // DRAG_STEPS,
                    start.y + (end.y - start.y) * step // DRAG_STEPS,
                )
            self.button(number, down=False)
        return place

    # -- Keyboard -------------------------------------------------------------------------------------------------

    def key(self, name: str, *, down: bool) -> None:
        """Press or release a key, by X's name."""
        self._let_clicks_arrive()
        code, _shifted = self._keyboard.code(XK.string_to_keysym(name))
        self._fake_key(code, down=down)

    def press(self, name: str, modifiers: Sequence[str]) -> None:
        """Press and release a key while others are held."""
        with self._holding(modifiers):
            self.key(name, down=True)
            self.key(name, down=False)

    def type_character(self, character: str) -> None:
        """Press and release whatever keys write a character."""
        self._let_clicks_arrive()
        code, shifted = self._keyboard.code(keysym_of(character))
        with self._holding(["Shift_L"] if shifted else []):
            self._fake_key(code, down=True)
            self._fake_key(code, down=False)

    def _let_clicks_arrive(self) -> None:
        """Wait while the window manager looks at a click, which it passes on after that: keys would overtake it."""
        if not self._clicked:
            return
        self._clicked = False
        if self.is_managed():
            end = time.monotonic() + CLICK_PATIENCE
            while not self.is_attended() and time.monotonic() < end:
                time.sleep(STANDSTILL_POLL)
            self._forget_unseen()

    def _fake_key(self, code: int, *, down: bool) -> None:
        xtest.fake_input(self._display, X.KeyPress if down else X.KeyRelease, code)
        self._display.sync()

    @contextmanager
    def _holding(self, names: Sequence[str]) -> Generator[None]:
        pressed: list[str] = []
        try:
            for name in names:
                self.key(name, down=True)
                pressed.append(name)
            yield
        finally:
            for name in reversed(pressed):
                self.key(name, down=False)

    # -- Windows --------------------------------------------------------------------------------------------------

    def is_managed(self) -> bool:
        """Return whether a window manager has taken over."""
        return self._property(self._root, "_NET_SUPPORTING_WM_CHECK") is not None

    def is_attended(self) -> bool:
        """Return whether the window manager answers yet; asks it again.

        openbox takes over before it listens. What it is told meanwhile it overlooks until it is told something else, and
        a window that opens then would stay unseen.
        """
        unseen = self._unseen or self._root.create_window(0, 0, 1, 1, 0, X.CopyFromParent)
        if self._property(unseen, "_NET_FRAME_EXTENTS") is not None:
            self._forget_unseen()
            return True
        self._unseen = unseen
        kind = self._display.intern_atom("_NET_REQUEST_FRAME_EXTENTS")
        message = event.ClientMessage(window=unseen, client_type=kind, data=(32, [0] * 5))
        self._root.send_event(message, X.SubstructureRedirectMask | X.SubstructureNotifyMask)
        self._display.sync()
        return False

    def _forget_unseen(self) -> None:
        if self._unseen is not None:
            self._unseen.destroy()
            self._unseen = None

    def windows(self) -> list[WindowFacts]:
        """Return the windows with a title, in the order of their opening."""
        listed = self._property(self._root, "_NET_CLIENT_LIST") or []
        active = (self._property(self._root, "_NET_ACTIVE_WINDOW") or [0])[0]
        found = [self._facts(int(number), int(active)) for number in listed]
        return [facts for facts in found if facts is not None and facts.title]

    def _facts(self, number: int, active: int) -> WindowFacts | None:
        window = self._display.create_resource_object("window", number)
        try:
            size = window.get_geometry()
            place = window.translate_coords(self._root, 0, 0)
            pid = self._property(window, "_NET_WM_PID")
            area = Area(-place.x, -place.y, size.width, size.height)
            return WindowFacts(int(pid[0]) if pid else number, self._title(window), area, number == active)
        except error.BadWindow:  # it has been closed since it was listed
            return None

    def _title(self, window: Window) -> str:
        text = self._property(window, "_NET_WM_NAME")
        if text is None:
            text = self._property(window, "WM_NAME")
        return text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text or "")

    def _property(self, window: Window, name: str) -> Sequence[int] | bytes | None:
        found = window.get_full_property(self._display.intern_atom(name), X.AnyPropertyType)
        return None if found is None else found.value


class _Keyboard:
    """Which key writes what. A character that is on no key is put on one of those that have nothing."""

    def __init__(self, display: Display) -> None:
        self._display = display
        self._first = display.display.info.min_keycode
        count = display.display.info.max_keycode - self._first + 1
        self._keys: dict[int, tuple[int, bool]] = {}
        self._spare: list[int] = []
        self._borrowed: dict[int, int] = {}
        for offset, symbols in enumerate(display.get_keyboard_mapping(self._first, count)):
            self._add(self._first + offset, symbols)

    def _add(self, code: int, symbols: Sequence[int]) -> None:
        if not any(symbols):
            self._spare.append(code)
        for level, symbol in enumerate(symbols[:2]):
            self._keys.setdefault(symbol, (code, bool(level)))

    def code(self, symbol: int) -> tuple[int, bool]:
        """Return the key for a symbol, and whether shift has to be held."""
        return self._keys.get(symbol) or (self._borrowed.get(symbol) or self._borrow(symbol), False)

    def _borrow(self, symbol: int) -> int:
        """Take the key that was borrowed longest ago: programs may still be looking up the recent ones."""
        code = self._spare.pop(0)
        self._spare.append(code)
        self._borrowed = {known: place for known, place in self._borrowed.items() if place != code}
        self._borrowed[symbol] = code
        self._display.change_keyboard_mapping(code, [(symbol, symbol)])
        self._display.sync()
        return code
