"""The suite that LangChain has for makers of sandboxes, over its Daytona backend."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from langchain_daytona import DaytonaSandbox
from langchain_tests.integration_tests import SandboxIntegrationTests

from daytona import Daytona

if TYPE_CHECKING:
    from collections.abc import Iterator


class TestDaytonaSandbox(SandboxIntegrationTests):
    @pytest.fixture(scope="class")
    def sandbox(self) -> Iterator[DaytonaSandbox]:
        daytona = Daytona()
        sandbox = daytona.create()
        yield DaytonaSandbox(sandbox=sandbox)
        daytona.delete(sandbox)
