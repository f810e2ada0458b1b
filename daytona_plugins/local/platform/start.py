"""The platform's process: leaves whoever started it, takes the lock, and begins with what takes longest.

Whoever starts it reads one line of JSON from its standard output: where it serves, or why it does not. Standard
error is its log. Little is imported here, so that the zygote, which imports as much as we do, does it at the same time.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import sys

from daytona.errors import DaytonaLocalPlatformError
from daytona_plugins.local.launch import AlreadyRunningError, hold
from daytona_plugins.local.paths import Paths, UnsafePathError
from daytona_plugins.local.runtime.zygote_process import start_zygote

# How long a predecessor that was told to end may take to.
LOCK_PATIENCE = 15.0


def main(arguments: list[str]) -> int:
    """Serve until told to end; return the exit status."""
    paths = Paths.from_environment()
    if "--foreground" not in arguments:
        _leave_the_starter()
    try:
        paths.make()
        with hold(paths.lock_file, patience=LOCK_PATIENCE):
            _serve(paths)
    except DaytonaLocalPlatformError as error:
        return _refuse(error.message, error.cause, error.remedy)
    except AlreadyRunningError:
        return _refuse("another embedded platform holds the lock and does not answer")
    except UnsafePathError as error:
        return _refuse(str(error))
    return 0


def _serve(paths: Paths) -> None:
    with contextlib.closing(start_zygote(paths.data)) as zygote:
        gc.disable()  # imports leave nothing behind to collect, and looking for it takes a third of their time
        import logging

        from daytona_plugins.local.platform.serving import serve

        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
        gc.enable()
        serve(paths, zygote, _announce)


def _leave_the_starter() -> None:
    """Become a process of our own, which has nothing open of the program that started us but the pipe and the log."""
    if os.fork():
        os._exit(0)
    os.setsid()
    os.chdir("/")
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))


def _announce(line: dict[str, object]) -> None:
    """Tell the starter, who waits for the end of the pipe too."""
    print(json.dumps(line), flush=True)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())


def _refuse(message: str, cause: str | None = None, remedy: str | None = None) -> int:
    print("cannot serve:", message, file=sys.stderr)
    _announce({"error": message, "cause": cause, "remedy": remedy})
    return 1
