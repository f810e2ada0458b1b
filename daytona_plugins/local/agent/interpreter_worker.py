"""Runs code in one namespace, again and again: the part of the interpreter that lives in the sandbox's own Python.

A single file that needs the standard library and Python 3.8. The agent starts it as `python3 FILE DESCRIPTOR`, talks to it
over the socket DESCRIPTOR in lines of JSON, and reads what is printed from its standard output and error like from any
other program. So nothing that the code prints, or has printed by its children, can be taken for a message, and what is
printed stays in order.

    agent:  {"code": str, "envs": {str: str}}
    worker: {"type": "ready"}                                        once
            {"type": "result", "data": {mime type: str}}             for the last expression, and each display()
            {"type": "error", "name", "value", "traceback": str}     when the code raised
            {"type": "control", "text": "completed" | "interrupted"} at the end of each run

SIGINT raises KeyboardInterrupt in the code and is ignored between runs.
"""

from __future__ import annotations

import ast
import base64
import builtins
import contextlib
import json
import os
import signal
import socket
import sys
import traceback
import types
from typing import cast

FILE = "<stdin>"
REPRESENTATIONS = (
    ("_repr_html_", "text/html"),
    ("_repr_markdown_", "text/markdown"),
    ("_repr_latex_", "text/latex"),
    ("_repr_svg_", "image/svg+xml"),
    ("_repr_png_", "image/png"),
    ("_repr_jpeg_", "image/jpeg"),
    ("_repr_pdf_", "application/pdf"),
    ("_repr_json_", "application/json"),
    ("_repr_javascript_", "application/javascript"),
)


class Worker:
    """One namespace and the line to the agent."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._pid = os.getpid()
        self._running = False
        # A module of its own, under the name that pickling and dataclasses look for.
        self._main = types.ModuleType("__main__")
        sys.modules["__main__"] = self._main
        builtins.display = self.display  # type: ignore[attr-defined]  # as notebooks have it

    def serve(self) -> None:
        """Run what the agent sends, until it hangs up."""
        signal.signal(signal.SIGINT, self._on_interrupt)
        self._send({"type": "ready"})
        for line in self._line.makefile("r", encoding="utf-8"):
            request = json.loads(line)
            outcome = self._run(request["code"], request["envs"])
            if os.getpid() != self._pid:
                os._exit(0)  # a child that the code forked, and forgot to end
            self._send({"type": "control", "text": outcome})

    def _on_interrupt(self, _signal: int, _frame: object) -> None:
        if self._running:
            raise KeyboardInterrupt

    def _send(self, message: dict[str, object]) -> None:
        # Half of a surrogate pair is text to Python and to nobody else.
        self._line.sendall(json.dumps(message, ensure_ascii=False).encode("utf-8", "replace") + b"\n")

    # -- Running --------------------------------------------------------------------------------------------------

    def _run(self, code: str, envs: dict[str, str]) -> str:
        before = {name: os.environ.get(name) for name in envs}
        os.environ.update(envs)
        signal.signal(signal.SIGINT, self._on_interrupt)  # the code before may have changed it
        try:
            return self._run_guarded(code)
        except KeyboardInterrupt:  # it came at the very end
            return "interrupted"
        finally:
            self._running = False
            _restore(before)
            _flush()

    def _run_guarded(self, code: str) -> str:
        self._running = True
        try:
            self._execute(code)
        except KeyboardInterrupt:
            return "interrupted"
        except SystemExit:
            pass  # the program has ended, as it wanted
        except BaseException as error:
            self._running = False
            self._report(error)
        finally:
            self._running = False
        return "completed"

    def _execute(self, code: str) -> None:
        tree = cast("ast.Module", compile(code, FILE, "exec", ast.PyCF_ONLY_AST))
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        namespace = self._main.__dict__
        exec(compile(tree, FILE, "exec"), namespace)  # noqa: S102 - what it is for
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), FILE, "eval"), namespace)  # noqa: S307 - what it is for
            if value is not None:
                namespace["_"] = value
                self.display(value)

    def _report(self, error: BaseException) -> None:
        frames = error.__traceback__
        while frames is not None and frames.tb_frame.f_code.co_filename == __file__:
            frames = frames.tb_next
        error.__traceback__ = frames
        text = "".join(traceback.format_exception(type(error), error, frames))
        self._send(
            {"type": "error", "name": type(error).__name__, "value": _text_of(error), "traceback": text}
        )

    # -- Showing --------------------------------------------------------------------------------------------------

    def display(self, *values: object) -> None:
        """Show values as they show themselves."""
        for value in values:
            self._send({"type": "result", "data": _bundle(value)})


def _bundle(value: object) -> dict[str, str]:
    """Return the representations of *value* by MIME type; those that fail are left out."""
    bundle = {"text/plain": repr(value)}
    if isinstance(value, type):
        return bundle  # its methods are for its instances
    for method, mime in REPRESENTATIONS:
        found = _represented(value, method)
        if found is not None:
            bundle[mime] = found
    return bundle


def _represented(value: object, method: str) -> str | None:
    try:
        found: object = getattr(value, method)()
        if isinstance(found, tuple):
            found = cast("tuple[object, ...]", found)[0]  # with metadata behind it
    except Exception:
        return None
    if isinstance(found, bytes):
        return base64.b64encode(found).decode("ascii")
    return found if found is None or isinstance(found, str) else json.dumps(found)


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return ""


def _restore(before: dict[str, str | None]) -> None:
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        with contextlib.suppress(AttributeError, OSError, ValueError):
            stream.flush()  # type: ignore[union-attr]  # the code may have put anything there


def _main() -> None:
    line = socket.socket(fileno=int(sys.argv[1]))
    line.set_inheritable(False)
    script = sys.argv[0]
    if script.startswith("/proc/self/fd/"):
        os.close(int(script.rpartition("/")[2]))
    sys.argv[:] = [""]
    sys.path[0] = ""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)  # type: ignore[union-attr]
    Worker(line).serve()


if __name__ == "__main__":
    _main()
