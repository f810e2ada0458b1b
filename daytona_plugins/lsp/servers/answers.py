"""Answers of language servers in the one shape that clients get, whichever of its shapes the protocol allows was used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator


Count = Annotated[int, msgspec.Meta(ge=0)]


class Position(msgspec.Struct, frozen=True):
    """A place in a document, counted from zero."""

    line: Count
    character: Count


class Range(msgspec.Struct, frozen=True):
    """A piece of a document."""

    start: Position
    end: Position


class Location(msgspec.Struct):
    """A piece of some document; symbols of a whole document come without a range."""

    uri: str
    range: Range = Range(Position(0, 0), Position(0, 0))


class Symbol(msgspec.Struct):
    """Something with a name, and where it is."""

    name: str
    kind: int
    location: Location


class FoundSymbol(msgspec.Struct):
    """A symbol as servers send it: with a location, or with a range and symbols inside."""

    name: str
    kind: int = 0
    location: Location | None = None
    range: Range | None = None
    children: list[FoundSymbol] | None = None


class Item(msgspec.Struct, rename="camel", omit_defaults=True):
    """Something that could be written, without what only an editor can use."""

    label: str
    kind: int | None = None
    detail: str | None = None
    documentation: str | dict[str, object] | None = None
    sort_text: str | None = None
    filter_text: str | None = None
    insert_text: str | None = None


class Completions(msgspec.Struct, rename="camel"):
    """What could be written, and whether more typing would bring more."""

    items: list[Item] = []
    is_incomplete: bool = False


_decode_completions: Final = msgspec.json.Decoder(Completions | list[Item] | None).decode
_decode_symbols: Final = msgspec.json.Decoder(list[FoundSymbol] | None).decode


def decode_completions(answer: bytes) -> Completions:
    """Return an answer to `textDocument/completion`."""
    found = _decode_completions(answer)
    return found if isinstance(found, Completions) else Completions(found or [])


def decode_symbols(answer: bytes) -> list[FoundSymbol]:
    """Return an answer to `textDocument/documentSymbol` or `workspace/symbol`, as it was sent."""
    return _decode_symbols(answer) or []


def flat(symbols: list[FoundSymbol], uri: str = "") -> Iterator[Symbol]:
    """Yield symbols and, after each, those inside it; *uri* is the document of those without a location."""
    for symbol in symbols:
        location = symbol.location or Location(uri, symbol.range or Location("").range)
        yield Symbol(symbol.name, symbol.kind, location)
        yield from flat(symbol.children or [], uri)
