"""What programs call on models because the official ones are pydantic's: here they are structs and dataclasses."""

# Records ask each other for their fields.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from importlib import import_module
from typing import Any, ClassVar, NamedTuple, Self, TypeAlias, cast

import msgspec

Plain: TypeAlias = dict[str, object]
"""A model as plain data. In a class with a method `dict`, that word itself cannot be written."""


class Field(NamedTuple):
    """A field of a model: its name, its name on the wire, and its default, or `msgspec.NODEFAULT`."""

    name: str
    alias: str
    default: object


class PydanticField:
    """Something that models of pydantic may have as a field, as they may have the official class."""

    __slots__ = ()

    @classmethod
    def model_validate(cls, obj: object, **_options: object) -> Self:
        """Return *obj*.

        Raises:
            ValueError: It is something else.
        """
        if isinstance(obj, cls):
            return obj
        raise ValueError(f"{cls.__name__} expected, not {type(obj).__name__}")

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, _handler: object) -> object:
        schemas: Any = import_module("pydantic_core.core_schema")  # whoever calls this has it
        as_plain = schemas.plain_serializer_function_ser_schema(_dumped, info_arg=True)
        return schemas.no_info_plain_validator_function(cls.model_validate, serialization=as_plain)

    @classmethod
    def __get_pydantic_json_schema__(cls, _schema: object, _handler: object) -> Plain:
        return {"type": "object", "title": cls.__name__}


class _ModelFields:
    """`Class.model_fields`: the fields by their names."""

    def __get__(self, instance: object, owner: type[Record]) -> dict[str, Field]:
        return {field.name: field for field in owner._fields()}


class Record(PydanticField):
    """A model with the methods of pydantic's.

    Which fields somebody has set is not noted: those that have their defaults count as not set.
    """

    __slots__ = ()

    model_fields: ClassVar[_ModelFields] = _ModelFields()

    @classmethod
    def _fields(cls) -> Sequence[Field]:
        return _of_struct(cls) if issubclass(cls, msgspec.Struct) else _of_dataclass(cls)

    def model_dump(
        self,
        *,
        mode: str = "python",
        include: Collection[str] | None = None,
        exclude: Collection[str] | None = None,
        by_alias: bool | None = None,
        exclude_unset: bool = False,
        exclude_defaults: bool = False,
        exclude_none: bool = False,
        **_options: object,
    ) -> Plain:
        """Return the fields and their values.

        Args:
            mode: "python" leaves values what they are; "json" makes texts and numbers of them.
            include: Only these fields.
            exclude: Not these fields.
            by_alias: Call fields what the wire calls them.
            exclude_unset: As *exclude_defaults*.
            exclude_defaults: Without fields that have their defaults.
            exclude_none: Without fields that are None.
        """
        how = _Dump(bool(by_alias), exclude_unset or exclude_defaults, exclude_none)
        wanted = [
            field
            for field in self._fields()
            if (include is None or field.name in include) and field.name not in (exclude or ())
        ]
        dumped = how.record(self, wanted)
        return cast("Plain", msgspec.to_builtins(dumped, enc_hook=str)) if mode == "json" else dumped

    def model_dump_json(self, *, indent: int | None = None, **options: Any) -> str:
        """Return `model_dump` as JSON text."""
        text = msgspec.json.encode(self.model_dump(**options), enc_hook=str)
        return (text if indent is None else msgspec.json.format(text, indent=indent)).decode()

    def model_copy(self, *, update: Mapping[str, object] | None = None, deep: bool = False) -> Self:
        """Return a copy in which the fields of *update* have other values; they are not checked."""
        import copy

        twin = copy.deepcopy(self) if deep else copy.copy(self)
        for name, value in (update or {}).items():
            twin._put(name, value)
        return twin

    @classmethod
    def model_validate(cls, obj: object, **_options: object) -> Self:
        """Return the model that *obj* is, or describes: fields by their names, or by those of the wire.

        Raises:
            ValueError: It does not fit.
        """
        if isinstance(obj, cls):
            return obj
        if not isinstance(obj, dict):
            raise ValueError(f"{cls.__name__} expected, not {type(obj).__name__}")
        return cls._from_plain(cast("Plain", obj))

    @classmethod
    def model_validate_json(cls, json_data: str | bytes, **_options: object) -> Self:
        """Return the model that a JSON text describes."""
        return cls.model_validate(msgspec.json.decode(json_data))

    @classmethod
    def _from_plain(cls, plain: Plain) -> Self:
        if not issubclass(cls, msgspec.Struct):
            aliases = {field.alias: field.name for field in cls._fields()}
            return cls(**{aliases.get(key, key): value for key, value in plain.items()})
        names = {field.name: field.alias for field in cls._fields()}
        try:
            return msgspec.convert({names.get(key, key): value for key, value in plain.items()}, cls)
        except msgspec.ValidationError as error:
            raise ValueError(f"{cls.__name__}: {error}") from error

    def _put(self, name: str, value: object) -> None:
        if isinstance(self, msgspec.Struct):
            msgspec.structs.force_setattr(self, name, value)
        else:
            object.__setattr__(self, name, value)

    # What pydantic 1 called them.
    dict = model_dump
    json = model_dump_json
    copy = model_copy
    parse_obj = model_validate
    parse_raw = model_validate_json


class Options(Record):
    """A record that is written by keywords in a constructor of its own."""

    __hash__ = None  # type: ignore[assignment]  # it can be changed

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    @classmethod
    def _fields(cls) -> Sequence[Field]:
        from inspect import Parameter, signature

        taken = [one for one in signature(cls).parameters.values() if one.kind is not Parameter.VAR_KEYWORD]
        defaults = [msgspec.NODEFAULT if one.default is Parameter.empty else one.default for one in taken]
        return [Field(one.name, one.name, default) for one, default in zip(taken, defaults, strict=True)]


def warn_of(unknown: Iterable[str], kind: type[Record], stacklevel: int = 3) -> None:
    """Tell of keywords that *kind* does not know: other releases may, and the official client says nothing."""
    for name in unknown:
        import difflib  # for the few who are wrong

        near = difflib.get_close_matches(name, kind.model_fields, n=1, cutoff=0.4)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        message = f"{kind.__name__} has no field {name!r}, it is ignored{hint}"
        warnings.warn(message, UserWarning, stacklevel=stacklevel)


class _DataclassFields:
    """What `dataclasses` looks for; made when it does, because that takes longer than all else that a struct takes."""

    def __get__(self, instance: object, owner: type[Record]) -> dict[str, Any]:
        from dataclasses import field, make_dataclass

        given = [one for one in owner._fields() if one.default is msgspec.NODEFAULT]
        others = [one for one in owner._fields() if one.default is not msgspec.NODEFAULT]
        described: list[Any] = [(one.name, object) for one in given]
        described += [
            (one.name, object, field(default_factory=partial(getattr, one, "default"))) for one in others
        ]
        found: dict[str, Any] = vars(make_dataclass(owner.__name__, described))["__dataclass_fields__"]
        return found


class DataRecord(Record):
    """A struct that `dataclasses.fields`, `asdict` and `replace` take for a dataclass, as the official one is."""

    __slots__ = ()

    __dataclass_fields__: ClassVar[Any] = _DataclassFields()


class _Dump(NamedTuple):
    """How models become plain data."""

    by_alias: bool
    without_defaults: bool
    without_none: bool

    def record(self, record: object, wanted: Iterable[Field]) -> Plain:
        """Return the *wanted* fields of a model."""
        found = ((field, getattr(record, field.name)) for field in wanted)
        return {
            field.alias if self.by_alias else field.name: self.value(value)
            for field, value in found
            if not (self.without_none and value is None)
            and not (self.without_defaults and value == field.default)
        }

    def value(self, value: object) -> object:
        """Return *value* with plain data in the place of models."""
        if isinstance(value, Record):
            return self.record(value, value._fields())
        if hasattr(type(value), "__dataclass_fields__"):
            return self.record(value, _of_dataclass(type(value)))
        if isinstance(value, dict):
            return {key: self.value(item) for key, item in cast("Plain", value).items()}
        return (
            [self.value(item) for item in cast("list[object]", value)] if isinstance(value, list) else value
        )


def _of_struct(cls: type[msgspec.Struct]) -> list[Field]:
    required = len(cls.__struct_fields__) - len(cls.__struct_defaults__)
    defaults = [msgspec.NODEFAULT] * required + [_made(default) for default in cls.__struct_defaults__]
    return [*map(Field, cls.__struct_fields__, cls.__struct_encode_fields__, defaults)]


def _of_dataclass(cls: type) -> list[Field]:
    from dataclasses import MISSING, fields

    return [
        Field(
            field.name,
            field.name,
            field.default
            if field.default is not MISSING
            else field.default_factory()
            if field.default_factory is not MISSING
            else msgspec.NODEFAULT,
        )
        for field in fields(cls)
    ]


def _made(default: object) -> object:
    factory = getattr(default, "factory", None)
    return factory() if factory is not None else default


def _dumped(value: object, how: Any) -> object:
    """Return what pydantic puts into its own dump: *how* has the options of `model_dump` as attributes."""
    if isinstance(value, Record):
        options = ("mode", "by_alias", "exclude_unset", "exclude_defaults", "exclude_none")
        return value.model_dump(**{name: getattr(how, name) for name in options})
    return str(value) if how.mode == "json" else value
