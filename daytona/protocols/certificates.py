"""Reading who issued a certificate, and nothing else of it.

`ssl` tells the fields of a certificate only after it has decided to trust it, and the one to tell about is the one that it
does not. So this walks the DER encoding (X.690) as far as the issuer, which is the fourth field of RFC 5280's
`TBSCertificate`, or the third where the version is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["issuer_of"]

_VERSION: Final = 0xA0
_NAMES: Final = {b"\x55\x04\x03": "CN", b"\x55\x04\x0a": "O", b"\x55\x04\x0b": "OU", b"\x55\x04\x06": "C"}
"""The attributes by which people know an authority: their object identifiers, encoded."""
_ENCODINGS: Final = {0x1E: "utf-16-be", 0x1C: "utf-32-be"}


class _Element(NamedTuple):
    tag: int
    content: bytes


def issuer_of(certificate: bytes) -> str:
    """Return the issuer of a DER certificate, such as `CN=Example Root, O=Example`.

    Raises:
        ValueError: It is no certificate.
    """
    body = _first(_first(certificate).content)
    fields = list(_elements(body.content))
    if fields and fields[0].tag == _VERSION:
        del fields[0]
    if len(fields) < 3:
        raise ValueError("a certificate has more fields")
    return ", ".join(f"{name}={value}" for name, value in _attributes(fields[2].content))


def _attributes(name: bytes) -> list[tuple[str, str]]:
    """Return the attributes of a `Name` that people know it by, the common name first."""
    found: dict[str, str] = {}
    for group in _elements(name):
        for attribute in _elements(group.content):
            kind, value = [*_elements(attribute.content), _Element(0, b""), _Element(0, b"")][:2]
            if kind.content in _NAMES:
                text = value.content.decode(_ENCODINGS.get(value.tag, "utf-8"), "replace")
                found[_NAMES[kind.content]] = "".join(char if char.isprintable() else "?" for char in text)
    return [(label, found[label]) for label in _NAMES.values() if label in found]


def _first(data: bytes) -> _Element:
    for element in _elements(data):
        return element
    raise ValueError("an element is empty")


def _elements(data: bytes) -> Iterator[_Element]:
    """Yield the elements that *data* is a sequence of."""
    position = 0
    while position < len(data):
        tag, length, start = _header(data, position)
        position = start + length
        if position > len(data):
            raise ValueError("an element is cut off")
        yield _Element(tag, data[start:position])


def _header(data: bytes, position: int) -> tuple[int, int, int]:
    """Return the tag and the length of the element at *position*, and where its content starts."""
    head = data[position : position + 2]
    if len(head) < 2:
        raise ValueError("an element has no length")
    tag, length = head
    start = position + 2
    if length & 0x80:
        size = length & 0x7F
        length = int.from_bytes(data[start : start + size], "big")
        start += size
    return tag, length, start
