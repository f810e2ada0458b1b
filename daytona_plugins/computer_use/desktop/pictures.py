"""Screenshots as the client asked for them: with the cursor, smaller, in a format."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final, NamedTuple

from PIL import Image, WebPImagePlugin as WebPImagePlugin
from PIL.Image import Resampling

if TYPE_CHECKING:
    from daytona_plugins.computer_use.desktop.screen import Place

ARM: Final = 20
"""Pixels from the middle of the drawn cursor to the end of its lines."""
FAST: Final = 1
"""Level of PNG's compression: higher ones take twice the time for a tenth of the size."""

# Pillow loads its formats when they are first needed, which inside the sandbox is too late: WebP was loaded above, and
# the common ones are now. All the others would be loaded for a name that is in neither set.
Image.preinit()


class Options(NamedTuple):
    """How a picture is packed."""

    format: str = "png"
    quality: int = 85
    scale: float = 1.0


def draw_cursor(picture: Image.Image, place: Place) -> None:
    """Draw a cross where the pointer is: black lines, white outline, red middle."""
    x, y = place
    for colour, beside in (("white", 1), ("black", 0)):
        picture.paste(colour, (x - ARM, y - beside, x + ARM + 1, y + beside + 1))
        picture.paste(colour, (x - beside, y - ARM, x + beside + 1, y + ARM + 1))
    picture.paste("red", (x - 1, y - 1, x + 2, y + 2))


def pack(picture: Image.Image, options: Options) -> bytes:
    """Return the picture as a file; a format that is not known gives a PNG of full size, as the real daemon does."""
    buffer = io.BytesIO()
    match options.format.lower():
        case "jpeg" | "jpg":
            _scaled(picture, options.scale).save(buffer, "JPEG", quality=options.quality)
        case "webp":
            _scaled(picture, options.scale).save(buffer, "WEBP", quality=options.quality)
        case "png":
            _scaled(picture, options.scale).save(buffer, "PNG", compress_level=FAST)
        case _:
            picture.save(buffer, "PNG", compress_level=FAST)
    return buffer.getvalue()


def _scaled(picture: Image.Image, scale: float) -> Image.Image:
    if scale == 1:
        return picture
    size = max(1, int(picture.width * scale)), max(1, int(picture.height * scale))
    return picture.resize(size, Resampling.NEAREST)  # pyright: ignore[reportUnknownMemberType]  # numpy's part
