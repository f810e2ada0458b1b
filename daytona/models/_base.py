"""What every model shares: how it is decoded, and the spellings by which programs turn one into plain data.

Answers are read forgivingly, because servers of any age give them: an unknown key is ignored, an explicit null counts
as an absent key, `2.0` is a whole number, and an unknown word of an enumeration is kept as it is. A text where a
number belongs is still an error.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, ClassVar, Generic, Self, TypeAlias, TypeVar, cast

import msgspec

from daytona.models._records import Plain, Record

T = TypeVar("T")

Number: TypeAlias = int | float

SAME_NAMES: dict[str, str] = {}
"""For `rename=`: the keys on the wire are the attribute names (None would mean "as the base class")."""


class WireRecord(Record):
    """A model with the methods of the official client's generated ones as well."""

    __slots__ = ()

    @property
    def additional_properties(self) -> Plain:
        """Nothing: what this version does not know of an answer is left out."""
        return {}

    def to_dict(self) -> Plain:
        """Return the wire's view: keys as sent, values as JSON has them, absent ones left out."""
        return cast("Plain", _without_nulls(msgspec.to_builtins(self)))

    def to_json(self) -> str:
        """Return `to_dict` as JSON text."""
        return encode(self.to_dict()).decode()

    def to_str(self) -> str:
        """Return `to_dict` as text for people."""
        from pprint import pformat

        return pformat(self.to_dict())

    @classmethod
    def from_dict(cls, obj: Plain | None) -> Self | None:
        """Return the model that the wire describes; None is None."""
        return None if obj is None else cls.model_validate(_forgiven(obj))

    @classmethod
    def from_json(cls, json_str: str) -> Self | None:
        """Return the model that JSON text from the wire describes."""
        return cls.from_dict(msgspec.json.decode(json_str))


class Model(WireRecord, msgspec.Struct, frozen=True, rename="camel"):
    """Something a server says; build one by keyword."""


class Request(Model, frozen=True, omit_defaults=True):
    """Something sent to a server; what is None stays out, what is merely empty goes along."""


class Confidential(Model, frozen=True):
    """A model that holds secrets and does not show them: representations end in logs."""

    _secrets: ClassVar[frozenset[str]] = frozenset({"access_key", "secret", "session_token", "token"})

    def __repr__(self) -> str:
        shown = (f"{name}={self._shown(name)}" for name in self.__struct_fields__)
        return f"{type(self).__name__}({', '.join(shown)})"

    def _shown(self, name: str) -> str:
        return "'***'" if name in self._secrets else repr(getattr(self, name))


class OpenEnum(StrEnum):
    """Words of the wire; a word this version does not know becomes a member of its own, keeping its text."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        member = str.__new__(cls, value)
        member._name_ = member._value_ = value
        return member

    def __reduce_ex__(self, protocol: object) -> tuple[type[Self], tuple[str]]:
        # Python 3.11.3 and older pickle a member as an attribute of its class, which an unknown word is not.
        return type(self), (self.value,)


class Decoder(Generic[T]):
    """Reads JSON as values of one type: strictly first, because that is fast and nearly always enough."""

    def __init__(self, type_: type[T]) -> None:
        self._strict = msgspec.json.Decoder(type_)

    def decode(self, body: bytes | str) -> T:
        """Return the value that *body* holds.

        Raises:
            msgspec.DecodeError: It is not JSON, or (`msgspec.ValidationError`) does not fit the type.
        """
        try:
            return self._strict.decode(body)
        except msgspec.ValidationError:
            return self._strict.decode(_ENCODER.encode(_forgiven(msgspec.json.decode(body))))


def decoder(type_: type[T]) -> Decoder[T]:
    """Return the decoder for *type_*; there is one of each."""
    # Not `functools.cache`: it hides from type checkers what the decoder decodes.
    found = _DECODERS.get(type_)
    if found is None:
        found = _DECODERS[type_] = Decoder[Any](type_)
    return found


def encode(value: object) -> bytes:
    """Return *value* as JSON: a model by the wire's names, anything else as it is."""
    return _ENCODER.encode(value)


_ENCODER = msgspec.json.Encoder()
_DECODERS: dict[object, Decoder[Any]] = {}


def _forgiven(value: object) -> object:
    if isinstance(value, dict):
        items = cast("dict[str, object]", value).items()
        return {key: _forgiven(item) for key, item in items if item is not None}
    if isinstance(value, list):
        return [_forgiven(item) for item in cast("list[object]", value)]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _without_nulls(value: object) -> object:
    if isinstance(value, dict):
        items = cast("dict[str, object]", value).items()
        return {key: _without_nulls(item) for key, item in items if item is not None}
    return (
        [_without_nulls(item) for item in cast("list[object]", value)] if isinstance(value, list) else value
    )
