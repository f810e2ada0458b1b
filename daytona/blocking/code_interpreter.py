"""Python that keeps its variables from one run to the next, for blocking code.

Written by `python -m daytona.faces` from `daytona.services.code_interpreter`: change that, and run `nox -s faces`.
"""

# A face reaches the core of its arguments.
# pyright: reportPrivateUsage=false, reportIncompatibleVariableOverride=false

from __future__ import annotations

from collections.abc import Callable
from daytona.models.interpreter import (
    ExecutionError,
    ExecutionResult,
    InterpreterContext,
    InterpreterEvent,
    OutputMessage,
    RichResult,
)
from daytona.service import BlockingService, BlockingStream, same, step
from daytona.services.code_interpreter import AsyncCodeInterpreter

__all__ = ["CodeInterpreter"]


class CodeInterpreter(BlockingService[AsyncCodeInterpreter]):
    """Runs Python in one sandbox, in contexts that each keep their own variables.

    Runs in one context wait for each other; runs in different contexts go side by side. Without a context, code runs in
    the sandbox's default one.
    """

    def run_code(
        self,
        code: str,
        *,
        context: InterpreterContext | None = None,
        on_stdout: Callable[[OutputMessage], None] | None = None,
        on_stderr: Callable[[OutputMessage], None] | None = None,
        on_error: Callable[[ExecutionError], None] | None = None,
        on_result: Callable[[RichResult], None] | None = None,
        envs: dict[str, str] | None = None,
        timeout: float | None = None,
    ) -> ExecutionResult:
        """Run code and return what it wrote; an exception that it raises is no failure, it is in the result.

        Args:
            code: Python.
            context: Where its variables live.
            on_stdout: Gets each piece of standard output as it comes.
            on_stderr: Gets each piece of standard error as it comes.
            on_error: Gets the exception that ends the code.
            on_result: Gets what the code shows: the value of an expression at its end, from servers that send it.
            envs: Variables of the environment for this run.
            timeout: Seconds until the code is interrupted; 0 means no limit, None the sandbox's own, ten minutes.

        Raises:
            DaytonaProcessExecutionTimeoutError: It took longer; `partial_output` is what it wrote until then.
            DaytonaConnectionError: The interpreter or the connection to it was lost.
        """
        return step(self._core.run_code(code, context=context, on_stdout=on_stdout, on_stderr=on_stderr, on_error=on_error, on_result=on_result, envs=envs, timeout=timeout))

    def run_code_stream(
        self,
        code: str,
        *,
        context: InterpreterContext | None = None,
        envs: dict[str, str] | None = None,
        timeout: float | None = None,
    ) -> BlockingStream[InterpreterEvent, InterpreterEvent]:
        """Run code and yield its output, what it shows and the exception that ended it, each as it comes.

        Leaving the stream early does not end the code.

        Args:
            code: Python.
            context: Where its variables live.
            envs: Variables of the environment for this run.
            timeout: Seconds until the code is interrupted; 0 means no limit, None the sandbox's own, ten minutes.

        Raises:
            DaytonaProcessExecutionTimeoutError: It took longer.
            DaytonaConnectionError: The interpreter or the connection to it was lost.
        """
        return BlockingStream(self._core.run_code_stream(code, context=context, envs=envs, timeout=timeout), same)

    def create_context(
        self, cwd: str | None = None, request_timeout: float | None = None
    ) -> InterpreterContext:
        """Return a new context with no variables yet.

        Args:
            cwd: Directory that its code runs in; None is the sandbox's work directory.
            request_timeout: Seconds; None or 0 means no limit.
        """
        return step(self._core.create_context(cwd, request_timeout))

    def list_contexts(self, request_timeout: float | None = None) -> list[InterpreterContext]:
        """Return all contexts but the default one."""
        return step(self._core.list_contexts(request_timeout))

    def delete_context(self, context: InterpreterContext, request_timeout: float | None = None) -> None:
        """End a context, and the code that runs in it."""
        step(self._core.delete_context(context, request_timeout))
