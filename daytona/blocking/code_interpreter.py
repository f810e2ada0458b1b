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
    """Runs Python in one sandbox, in contexts that each have their own variables.

    Calls in the same context run one after another; calls in different contexts run concurrently. Without a context, code
    runs in the sandbox's default context.
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
        """Run code and return its output; an exception that it raises is part of the result, not an error of the call.

        Args:
            code: Python code.
            context: The context to run it in.
            on_stdout: Called with each piece of standard output as it arrives.
            on_stderr: Called with each piece of standard error as it arrives.
            on_error: Called with the exception that ends the code.
            on_result: Called with what the code displays: the value of its last expression, if the server sends it.
            envs: Environment variables for this call.
            timeout: Seconds after which the code is interrupted; 0 means no limit, None means ten minutes.

        Raises:
            DaytonaProcessExecutionTimeoutError: It took longer; `partial_output` has the output so far.
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
        """Run code and yield its output, what it displays, and the exception that ended it, as they arrive.

        Leaving the stream early does not end the code.

        Args:
            code: Python code.
            context: The context to run it in.
            envs: Environment variables for this call.
            timeout: Seconds after which the code is interrupted; 0 means no limit, None means ten minutes.

        Raises:
            DaytonaProcessExecutionTimeoutError: It took longer.
            DaytonaConnectionError: The interpreter or the connection to it was lost.
        """
        return BlockingStream(self._core.run_code_stream(code, context=context, envs=envs, timeout=timeout), same)

    def create_context(
        self, cwd: str | None = None, request_timeout: float | None = None
    ) -> InterpreterContext:
        """Return a new context without any variables.

        Args:
            cwd: Directory that its code runs in; None means the sandbox's working directory.
            request_timeout: Seconds; None or 0 means no limit.
        """
        return step(self._core.create_context(cwd, request_timeout))

    def list_contexts(self, request_timeout: float | None = None) -> list[InterpreterContext]:
        """Return all contexts except the default one."""
        return step(self._core.list_contexts(request_timeout))

    def delete_context(self, context: InterpreterContext, request_timeout: float | None = None) -> None:
        """Delete a context, and end the code that is running in it."""
        step(self._core.delete_context(context, request_timeout))
