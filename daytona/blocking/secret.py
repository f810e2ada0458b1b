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
    """The secrets of an organization; their values can be set but not read."""

    def list(
        self,
        cursor: str | None = None,
        limit: int | None = None,
        name: str | None = None,
        sort: str | None = None,
        order: str | None = None,
    ) -> ListSecretsResponse:
        """Return one page of secrets, the total number of secrets, and where the next page starts.

        Args:
            cursor: The `next_cursor` of the previous page; None starts at the beginning.
            limit: How many secrets per page.
            name: Only secrets whose names contain this.
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
        """Create a secret and return it.

        Raises:
            DaytonaConflictError: A secret with this name exists.
        """
        return step(self._core.create(params))

    def update(self, secret_id: str, params: UpdateSecretParams) -> Secret:
        """Change a secret and return it; parameters that are None stay unchanged.

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
