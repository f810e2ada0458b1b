"""Secrets: values that are kept here and never shown again.

Sandboxes get a placeholder. Their way out is a proxy that puts the value in its place, in requests to permitted hosts.
"""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING
from uuid import uuid4

import msgspec

from daytona_plugins.local.web import HTTPError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from daytona_plugins.local.platform.shelf import Shelf

PREFIX = "dtn_secret_"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST = re.compile(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})*")


class SecretRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One secret; times are seconds since the epoch."""

    id: str
    name: str
    value: str
    placeholder: str
    description: str | None = None
    hosts: tuple[str, ...] = ()
    created_at: float
    updated_at: float

    def __repr__(self) -> str:
        return f"<secret {self.name!r}>"


class CreateSecret(msgspec.Struct, kw_only=True):
    """The body of `POST /secret`."""

    name: str
    value: str
    description: str | None = None
    hosts: tuple[str, ...] | None = None


class UpdateSecret(msgspec.Struct, kw_only=True):
    """The body of `PATCH /secret/{id}`; what is left out stays, and a description that is null goes."""

    value: str | None = None
    description: str | msgspec.UnsetType | None = msgspec.UNSET
    hosts: tuple[str, ...] | None = None


class Secrets:
    """All secrets of one platform."""

    def __init__(self, shelf: Shelf[SecretRecord], clock: Callable[[], float]) -> None:
        self._shelf = shelf
        self._clock = clock

    def all(self) -> list[SecretRecord]:
        """Return every secret."""
        return self._shelf.all()

    def get(self, secret_id: str) -> SecretRecord:
        """Return a secret.

        Raises:
            HTTPError: There is none (404).
        """
        found = self._shelf.get(secret_id)
        if found is None:
            raise HTTPError(404, f"secret {secret_id!r} not found")
        return found

    def create(self, body: CreateSecret) -> SecretRecord:
        """Return a new secret.

        Raises:
            HTTPError: The name or a host is unusable (400), or the name is taken (409).
        """
        if not _NAME.fullmatch(body.name):
            raise HTTPError(400, "a name is a letter or _, then letters, digits, _ and -")
        if any(secret.name == body.name for secret in self.all()):
            raise HTTPError(409, f"a secret with the name {body.name!r} exists already")
        now = self._clock()
        made = SecretRecord(
            id=str(uuid4()),
            name=body.name,
            value=_value(body.value),
            placeholder=f"{PREFIX}{secrets.token_hex(16)}",
            description=body.description,
            hosts=_hosts(body.hosts or ()),
            created_at=now,
            updated_at=now,
        )
        return self._shelf.put(made)

    def update(self, secret_id: str, body: UpdateSecret) -> SecretRecord:
        """Change a secret; its placeholder stays, so sandboxes need not know.

        Raises:
            HTTPError: There is none (404), or a host is unusable (400).
        """
        secret = self.get(secret_id)
        changed = msgspec.structs.replace(
            secret,
            value=secret.value if body.value is None else _value(body.value),
            description=secret.description if body.description is msgspec.UNSET else body.description,
            hosts=secret.hosts if body.hosts is None else _hosts(body.hosts),
            updated_at=self._clock(),
        )
        return self._shelf.put(changed)

    def delete(self, secret_id: str) -> None:
        """Forget a secret.

        Raises:
            HTTPError: There is none (404).
        """
        self._shelf.remove(self.get(secret_id).id)

    def attached(self, wanted: Iterable[dict[str, str]]) -> dict[str, str]:
        """Return environment variables, given as their names with names of secrets, with placeholders.

        Raises:
            HTTPError: A variable cannot have this name (400), or there is no such secret (404).
        """
        known = {secret.name: secret for secret in self.all()}
        variables: dict[str, str] = {}
        for variable, name in (pair for single in wanted for pair in single.items()):
            if not _VARIABLE.fullmatch(variable):
                raise HTTPError(400, f"{variable!r} cannot be the name of an environment variable")
            if name not in known:
                raise HTTPError(404, f"secret {name!r} not found")
            variables[variable] = known[name].placeholder
        return variables


def _value(value: str) -> str:
    if not value:
        raise HTTPError(400, "a secret has a value")
    return value


def _hosts(hosts: Iterable[str]) -> tuple[str, ...]:
    for host in hosts:
        if not _HOST.fullmatch(host):
            raise HTTPError(400, f"{host!r} is no name of a host; ports and paths do not belong here")
    return tuple(hosts)
