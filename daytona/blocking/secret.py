"""Secrets: values that programs in sandboxes use without seeing them, for blocking code.

Written by `python -m daytona.faces` from `daytona.services.secret`: change that, and run `nox -s faces`.
"""

# A face reaches the core of its arguments.
# pyright: reportPrivateUsage=false, reportIncompatibleVariableOverride=false

from __future__ import annotations

from daytona.models.params import CreateSecretParams, UpdateSecretParams
from daytona.models.secret import ListSecretsResponse, Secret
from daytona.service import BlockingService, step
from daytona.services.secret import AsyncSecretService

__all__ = ["SecretService"]


class SecretService(BlockingService[AsyncSecretService]):
    """The secrets of an organization; their values go in and never come out."""

    def list(
        self,
        cursor: str | None = None,
        limit: int | None = None,
        name: str | None = None,
        sort: str | None = None,
        order: str | None = None,
    ) -> ListSecretsResponse:
        """Return one page of secrets, how many there are in all, and where the next page starts.

        Args:
            cursor: `next_cursor` of the page before; None starts at the beginning.
            limit: How many to a page.
            name: What their names contain.
            sort: "name", "createdAt" or "updatedAt".
            order: "asc" or "desc".
        """
        return step(self._core.list(cursor, limit, name, sort, order))

    def get(self, secret_id: str) -> Secret:
        """Return the secret with this id, without its value.

        Raises:
            DaytonaNotFoundError: There is none.
        """
        return step(self._core.get(secret_id))

    def create(self, params: CreateSecretParams) -> Secret:
        """Return a new secret.

        Raises:
            DaytonaConflictError: There is one with this name.
        """
        return step(self._core.create(params))

    def update(self, secret_id: str, params: UpdateSecretParams) -> Secret:
        """Change a secret and return it; what is None stays as it is.

        Raises:
            DaytonaNotFoundError: There is none.
        """
        return step(self._core.update(secret_id, params))

    def delete(self, secret_id: str) -> None:
        """Delete a secret.

        Raises:
            DaytonaNotFoundError: There is none.
        """
        step(self._core.delete(secret_id))
