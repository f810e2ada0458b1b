"""`/computeruse/mouse` and `/computeruse/keyboard`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, TypeVar

import msgspec

from daytona_plugins.computer_use.desktop import keys
from daytona_plugins.computer_use.desktop.screen import Place, Screen
from daytona_plugins.local.agent.body import read_json
from daytona_plugins.local.agent.errors import bad_request
from daytona_plugins.local.web import HTTPError, Request, Response, json_response

if TYPE_CHECKING:
    from collections.abc import Callable

    from daytona_plugins.computer_use.desktop.desktop import Desktop
    from daytona_plugins.local.web import Handler, Router

T = TypeVar("T", bound=msgspec.Struct)

Coordinate = Annotated[int, msgspec.Meta(ge=-(2**31), lt=2**31)]


class PointRequest(msgspec.Struct):
    """A place."""

    x: Coordinate = 0
    y: Coordinate = 0


class ButtonRequest(msgspec.Struct):
    """A button, and a place unless it is where the pointer is."""

    x: Coordinate | None = None
    y: Coordinate | None = None
    button: str | None = None


class ClickRequest(PointRequest):
    """A click, or several."""

    button: str | None = None
    double: bool = False
    clicks: Annotated[int, msgspec.Meta(ge=1, le=10)] | None = None
    modifiers: list[str] | None = None


class DragRequest(msgspec.Struct, rename="camel"):
    """A way along which a button is held."""

    start_x: Coordinate = 0
    start_y: Coordinate = 0
    end_x: Coordinate = 0
    end_y: Coordinate = 0
    button: str | None = None
    modifiers: list[str] | None = None


class ScrollRequest(PointRequest):
    """A turn of the wheel."""

    direction: str | None = None
    amount: Annotated[int, msgspec.Meta(ge=0, le=1000)] | None = None
    modifiers: list[str] | None = None


class TypeRequest(msgspec.Struct):
    """A text to type."""

    text: str = ""
    delay: Annotated[int, msgspec.Meta(ge=0)] | None = None


class KeyRequest(msgspec.Struct):
    """A key."""

    key: str = ""
    modifiers: list[str] | None = None


class HotkeyRequest(msgspec.Struct):
    """Keys together."""

    keys: str = ""


def add_acting(router: Router, desktop: Desktop) -> None:
    """Answer for the mouse and the keyboard."""
    hands = _Hands(desktop)
    router.add("GET", "/computeruse/mouse/position", hands.position)
    routes: dict[str, Handler] = {
        "mouse/move": hands.move, "mouse/click": hands.click, "mouse/drag": hands.drag, "mouse/scroll": hands.scroll,
        "mouse/down": hands.button_down, "mouse/up": hands.button_up, "keyboard/type": hands.type,
        "keyboard/key": hands.key, "keyboard/hotkey": hands.hotkey, "keyboard/down": hands.key_down,
        "keyboard/up": hands.key_up,
    }  # fmt: skip
    for path, handler in routes.items():
        router.add("POST", f"/computeruse/{path}", _refusing_unknown_names(handler))


def _refusing_unknown_names(handler: Handler) -> Handler:
    async def handle(request: Request) -> Response:
        try:
            return await handler(request)
        except keys.UnknownKeyError as error:
            raise bad_request(str(error)) from error

    return handle


class _Hands:
    """What fingers do."""

    def __init__(self, desktop: Desktop) -> None:
        self._desktop = desktop

    # -- Mouse ----------------------------------------------------------------------------------------------------

    async def position(self, _request: Request) -> Response:
        return _place(await self._desktop.use(Screen.position))

    async def move(self, request: Request) -> Response:
        wanted = await _read(request, PointRequest, "Invalid coordinates")
        return _place(await self._desktop.use(lambda screen: screen.move(wanted.x, wanted.y)))

    async def click(self, request: Request) -> Response:
        wanted = await _read(request, ClickRequest, "Invalid click parameters")
        number = keys.button_number(wanted.button)
        _, held = keys.chord("", wanted.modifiers or [])
        times = wanted.clicks or (2 if wanted.double else 1)

        def act(screen: Screen) -> Place:
            screen.move(wanted.x, wanted.y)
            screen.click(number, times, held)
            return screen.position()

        return _place(await self._desktop.use(act))

    async def drag(self, request: Request) -> Response:
        wanted = await _read(request, DragRequest, "Invalid drag parameters")
        number = keys.button_number(wanted.button)
        _, held = keys.chord("", wanted.modifiers or [])
        start, end = Place(wanted.start_x, wanted.start_y), Place(wanted.end_x, wanted.end_y)
        return _place(await self._desktop.use(lambda screen: screen.drag(start, end, number, held)))

    async def scroll(self, request: Request) -> Response:
        wanted = await _read(request, ScrollRequest, "Invalid scroll parameters")
        number = keys.wheel_button(wanted.direction)
        _, held = keys.chord("", wanted.modifiers or [])

        def act(screen: Screen) -> None:
            screen.move(wanted.x, wanted.y)
            screen.scroll(number, wanted.amount or 1, held)

        await self._desktop.use(act)
        return json_response({"success": True})

    async def button_down(self, request: Request) -> Response:
        return await self._button(request, down=True)

    async def button_up(self, request: Request) -> Response:
        return await self._button(request, down=False)

    async def _button(self, request: Request, *, down: bool) -> Response:
        wanted = await _read(request, ButtonRequest, "Invalid click parameters")
        number = keys.button_number(wanted.button)

        def act(screen: Screen) -> Place:
            place = screen.position()
            if wanted.x is not None or wanted.y is not None:
                screen.move(
                    place.x if wanted.x is None else wanted.x, place.y if wanted.y is None else wanted.y
                )
            screen.button(number, down=down)
            return screen.position()

        return _place(await self._desktop.use(act))

    # -- Keyboard -------------------------------------------------------------------------------------------------

    async def type(self, request: Request) -> Response:
        wanted = await _read(request, TypeRequest, "Invalid input")
        self._desktop.require_running()
        for index, character in enumerate(keys.typed(wanted.text)):
            if index and wanted.delay:
                await asyncio.sleep(wanted.delay / 1000)
            await self._desktop.use(_typing(character))
        return _done()

    async def key(self, request: Request) -> Response:
        wanted = await _read(request, KeyRequest, "Invalid key")
        key, held = keys.chord(wanted.key, wanted.modifiers or [])
        return await self._press(key or keys.keysym_name(wanted.key), held)

    async def hotkey(self, request: Request) -> Response:
        wanted = await _read(request, HotkeyRequest, "Invalid hotkey")
        return await self._press(*keys.hotkey(wanted.keys))

    async def _press(self, key: str, held: list[str]) -> Response:
        await self._desktop.use(lambda screen: screen.press(key, held))
        return _done()

    async def key_down(self, request: Request) -> Response:
        return await self._hold(request, down=True)

    async def key_up(self, request: Request) -> Response:
        return await self._hold(request, down=False)

    async def _hold(self, request: Request, *, down: bool) -> Response:
        name = keys.keysym_name((await _read(request, KeyRequest, "Invalid key")).key)
        await self._desktop.use(lambda screen: screen.key(name, down=down))
        return _done()


def _done() -> Response:
    return json_response({})


def _typing(character: str) -> Callable[[Screen], None]:
    return lambda screen: screen.type_character(character)


def _place(place: Place) -> Response:
    return json_response({"x": place.x, "y": place.y})


async def _read(request: Request, kind: type[T], failure: str) -> T:
    """Return the body as *kind*; what is wrong with it is said after the real daemon's fixed text."""
    try:
        return await read_json(request, kind)
    except HTTPError as error:
        raise HTTPError(400, f"{failure}: {error.message}", code="BAD_REQUEST") from error
