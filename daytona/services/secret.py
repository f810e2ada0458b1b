"""Secrets: values that programs in sandboxes use without seeing them."""

from __future__ import annotations

from ..errors import DaytonaValidationError
from ..models.params import CreateSecretParams, UpdateSecretParams
from ..models.secret import CreateSecret, ListSecretsResponse, Secret, UpdateSecret
from ..service import AsyncService, operation, segment

__all__ = ["AsyncSecretService"]


class AsyncSecretService(AsyncService):
    """The secrets of an organization; their values can be set but not read."""

    @operation("Failed to list secrets: ")
    async def list(
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
        if limit is not None and limit < 1:
            raise DaytonaValidationError(f"limit={limit} is less than 1")
        query = {"cursor": cursor, "limit": limit, "name": name, "sort": sort, "order": order}
        return await self._api.call("GET", "/secret/paginated", query=query, into=ListSecretsResponse)

    @operation("Failed to get secret: ")
    async def get(self, secret_id: str) -> Secret:
        """Return the secret with this id, without its value.

        Raises:
            DaytonaNotFoundError: There is none.
        """
        return await self._api.call("GET", f"/secret/{segment(secret_id)}", into=Secret)

    @operation("Failed to create secret: ")
    async def create(self, params: CreateSecretParams) -> Secret:
        """Create a secret and return it.

        Raises:
            DaytonaConflictError: A secret with this name exists.
        """
        body = CreateSecret(
            name=params.name, value=params.value, description=params.description, hosts=params.hosts
        )
        return await self._api.call("POST", "/secret", json=body, into=Secret)

    @operation("Failed to update secret: ")
    async def update(self, secret_id: str, params: UpdateSecretParams) -> Secret:
        """Change a secret and return it; parameters that are None stay unchanged.

        Raises:
            DaytonaNotFoundError: There is none.
        """
        body = UpdateSecret(value=params.value, description=params.description, hosts=params.hosts)
        return await self._api.call("PATCH", f"/secret/{segment(secret_id)}", json=body, into=Secret)

    @operation("Failed to delete secret: ")
    async def delete(self, secret_id: str) -> None:
        """Delete a secret.

        Raises:
            DaytonaNotFoundError: There is none.
        """
        await self._api.call("DELETE", f"/secret/{segment(secret_id)}")
