"""`/computeruse/screenshot` and `/computeruse/display`."""

from __future__ import annotations

import base64
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from daytona_plugins.computer_use.desktop.pictures import Options, draw_cursor, pack
from daytona_plugins.computer_use.desktop.screen import Area, OutsideError, Place, Screen
from daytona_plugins.local.agent.errors import bad_request
from daytona_plugins.local.web import json_response

if TYPE_CHECKING:
    from collections.abc import Callable

    from daytona_plugins.computer_use.desktop.desktop import Desktop
    from daytona_plugins.local.web import HTTPError, Query, Request, Response, Router

DIGITS_LIMIT: Final = 9
TRUE: Final = frozenset({"1", "t", "T", "TRUE", "true", "True"})
FALSE: Final = frozenset({"0", "f", "F", "FALSE", "false", "False"})


def add_looking(router: Router, desktop: Desktop) -> None:
    """Answer for what can be seen."""
    eyes = _Eyes(desktop)
    router.add("GET", "/computeruse/screenshot", eyes.screen)
    router.add("GET", "/computeruse/screenshot/region", eyes.region)
    router.add("GET", "/computeruse/screenshot/compressed", eyes.compressed)
    router.add("GET", "/computeruse/screenshot/region/compressed", eyes.compressed_region)
    router.add("GET", "/computeruse/display/info", eyes.displays)
    router.add("GET", "/computeruse/display/windows", eyes.windows)


class _Shot(NamedTuple):
    """A picture as a file, and where the pointer was."""

    data: bytes
    pointer: Place


class _Eyes:
    def __init__(self, desktop: Desktop) -> None:
        self._desktop = desktop

    # -- Screenshots ----------------------------------------------------------------------------------------------

    async def screen(self, request: Request) -> Response:
        return await self._plain(request, None)

    async def region(self, request: Request) -> Response:
        return await self._plain(request, _area(request.query))

    async def compressed(self, request: Request) -> Response:
        return await self._compressed(request, None)

    async def compressed_region(self, request: Request) -> Response:
        return await self._compressed(request, _area(request.query))

    async def _plain(self, request: Request, area: Area | None) -> Response:
        """The place of a cursor that nobody asked for is where the picture begins: so the real daemon has it."""
        with_cursor = _cursor(request.query)
        shot = await self._shoot(area, Options(), with_cursor=with_cursor)
        place = shot.pointer if with_cursor else Place(*(area or (0, 0))[:2])
        return json_response({"screenshot": _text(shot.data), "cursorPosition": _point(place)})

    async def _compressed(self, request: Request, area: Area | None) -> Response:
        options, with_cursor = _options(request.query), _cursor(request.query)
        shot = await self._shoot(area, options, with_cursor=with_cursor)
        answer: dict[str, object] = {"screenshot": _text(shot.data), "sizeBytes": len(shot.data)}
        if with_cursor:
            answer["cursorPosition"] = _point(_scaled(shot.pointer, area, options.scale))
        return json_response(answer)

    async def _shoot(self, area: Area | None, options: Options, *, with_cursor: bool) -> _Shot:
        try:
            return await self._desktop.use(_shooting(area, options, with_cursor=with_cursor))
        except OutsideError as error:
            raise bad_request(str(error)) from error

    # -- Display --------------------------------------------------------------------------------------------------

    async def displays(self, _request: Request) -> Response:
        width, height = await self._desktop.use(lambda screen: screen.size)
        display = {"id": 0, "x": 0, "y": 0, "width": width, "height": height, "isActive": True}
        return json_response({"displays": [display]})

    async def windows(self, _request: Request) -> Response:
        found = await self._desktop.use(Screen.windows)
        listed = [
            {"id": window.id, "title": window.title, **window.area._asdict(), "isActive": window.is_active}
            for window in found
        ]
        return json_response({"windows": listed})


def _shooting(area: Area | None, options: Options, *, with_cursor: bool) -> Callable[[Screen], _Shot]:
    return partial(_take, area=area, options=options, with_cursor=with_cursor)


def _take(screen: Screen, area: Area | None, options: Options, with_cursor: bool) -> _Shot:
    picture, pointer = screen.picture(area), screen.position()
    if with_cursor:
        x, y = (area or (0, 0))[:2]
        draw_cursor(picture, Place(pointer.x - x, pointer.y - y))
    return _Shot(pack(picture, options), pointer)


def _scaled(pointer: Place, area: Area | None, scale: float) -> Place:
    """Return where the pointer is in a smaller picture; a region keeps its corner."""
    x, y = (area or (0, 0))[:2]
    return Place(x + int((pointer.x - x) * scale), y + int((pointer.y - y) * scale))


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _point(place: Place) -> dict[str, int]:
    return {"x": place.x, "y": place.y}


# -- Queries ----------------------------------------------------------------------------------------------------------


def _invalid(name: str, why: str) -> HTTPError:
    return bad_request(f"invalid query parameter {name}: {why}")


def _cursor(query: Query) -> bool:
    for name in ("show_cursor", "showCursor"):
        if name in query:
            text = query.first(name)
            if text not in TRUE | FALSE:
                raise _invalid(name, "must be true or false")
            return text in TRUE
    return False


def _area(query: Query) -> Area:
    area = Area(*(_number(query, name) for name in Area._fields))
    for name in ("width", "height"):
        if getattr(area, name) <= 0:
            raise _invalid(name, "must be greater than 0")
    return area


def _number(query: Query, name: str) -> int:
    text = query.first(name)
    if not text.removeprefix("-").isdecimal() or not text.isascii() or len(text) > DIGITS_LIMIT:
        raise _invalid(name, "must be an integer" if text else "is required")
    return int(text)


def _options(query: Query) -> Options:
    quality = _number(query, "quality") if query.first("quality") else Options().quality
    if not 1 <= quality <= 100:
        raise _invalid("quality", "must be between 1 and 100")
    return Options(query.first("format") or "png", quality, _scale(query))


def _scale(query: Query) -> float:
    try:
        scale = float(query.first("scale") or 1)
    except ValueError:
        raise _invalid("scale", "must be a number") from None
    if not 0.1 <= scale <= 1:
        raise _invalid("scale", "must be between 0.1 and 1.0")
    return scale
