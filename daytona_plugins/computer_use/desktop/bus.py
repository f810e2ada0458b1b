"""A connection to a D-Bus, by way of jeepney, which has no types: they are added here and nowhere else."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import asyncio
from typing import Any, Final, NamedTuple, Self, cast

from jeepney import (  # type: ignore[import-untyped]
    DBusAddress,
    HeaderFields,
    Message,
    MessageType,
    Properties,
    new_method_call,
)
from jeepney.io.asyncio import (  # type: ignore[import-untyped]
    DBusRouter,
    open_dbus_connection,
)
from jeepney.io.common import RouterClosed  # type: ignore[import-untyped]

CALL_TIMEOUT: Final = 5.0


class Target(NamedTuple):
    """An interface of an object on a bus."""

    bus: str
    path: str
    interface: str


BUS_ITSELF: Final = Target("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")


class BusError(Exception):
    """The other side has refused a call, or does not answer."""


class Bus:
    """A connection; calls may be made at the same time."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._router: Any = DBusRouter(connection)

    @classmethod
    async def connect(cls, address: str) -> Self:
        """Return a connection to the bus at *address*.

        Raises:
            OSError: Nobody is there.
        """
        try:
            return cls(await open_dbus_connection(address))
        except (EOFError, RouterClosed) as error:
            raise ConnectionError("the bus has hung up") from error

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_details: object) -> None:
        await self._router.__aexit__(None, None, None)
        await self._connection.close()

    async def call(
        self, target: Target, method: str, signature: str | None = None, *arguments: object
    ) -> Any:
        """Return what a method answers: its one value, or all of them.

        Raises:
            BusError: It answers an error, or not at all.
        """
        return await self._send(new_method_call(_address(target), method, signature, arguments))

    async def get(self, target: Target, name: str) -> Any:
        """Return a property.

        Raises:
            BusError: There is none, or no answer.
        """
        _signature, value = await self._send(Properties(_address(target)).get(name))
        return value

    async def set(self, target: Target, name: str, signature: str, value: object) -> None:
        """Change a property.

        Raises:
            BusError: It cannot be changed, or there is no answer.
        """
        await self._send(Properties(_address(target)).set(name, signature, value))

    async def _send(self, message: Message) -> Any:
        try:
            async with asyncio.timeout(CALL_TIMEOUT):
                reply = await self._router.send_and_get_reply(message)
        except (TimeoutError, RouterClosed, OSError) as error:
            raise BusError(f"no answer: {error!r}") from error
        if reply.header.message_type is MessageType.error:
            name = reply.header.fields.get(HeaderFields.error_name)
            raise BusError(" ".join([str(name), *map(str, reply.body)]))
        body = cast("tuple[Any, ...]", reply.body)
        return body[0] if len(body) == 1 else body


def _address(target: Target) -> Any:
    return DBusAddress(target.path, target.bus, target.interface)
