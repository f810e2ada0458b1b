"""The platform's process: takes the lock, leaves whoever started it, and begins with what takes longest.

Whoever starts it writes an environment to its standard input, and reads one line of JSON from its standard output: where it
serves, or why it does not. Standard error is its log.

What takes long is done side by side. The process that was started looks at the machine, makes what sandboxes are built from,
and ends. Its child imports what platform and zygote both need; then a fork of it goes on to become the zygote, and it becomes
the platform itself. Sandboxes have a copy of what it knows until then, so it reads the environment only after that.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import sys
import time
import traceback
from pathlib import Path
from typing import NoReturn

from daytona.errors import DaytonaLocalPlatformError
from daytona_plugins.local.launch import AlreadyRunningError, hold
from daytona_plugins.local.paths import Paths, UnsafePathError
from daytona_plugins.local.runtime.skeleton import make_skeleton
from daytona_plugins.local.runtime.zygote_process import fork_zygote

# How long a predecessor that was told to end may take to.
LOCK_PATIENCE = 15.0


def main(arguments: list[str]) -> int:
    """Serve in the directories that *arguments* name until told to end; return the exit status."""
    paths = Paths(*map(Path, arguments))
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))  # what the program that started us has left open
    try:
        paths.make()
        with hold(paths.lock_file, patience=LOCK_PATIENCE):
            _serve(paths, _leave_the_starter(paths))
    except DaytonaLocalPlatformError as error:
        return _refuse(error.message, error.cause, error.remedy)
    except AlreadyRunningError:
        return _refuse("another embedded platform holds the lock and does not answer")
    except UnsafePathError as error:
        return _refuse(str(error))
    return 0


def _leave_the_starter(paths: Paths) -> int:
    """Become a process of our own, and return where the one that was started will tell what it has prepared."""
    os.setsid()  # what is typed into a terminal of the starter is not for us
    os.chdir("/")
    prepared, preparing = os.pipe()
    if os.fork():
        _prepare_and_end(paths, preparing)
    os.close(preparing)
    os.setsid()
    return prepared


def _prepare_and_end(paths: Paths, preparing: int) -> NoReturn:
    """Run as the process that was started."""
    try:
        make_skeleton(paths.data)  # first, for the rest takes some imports

        from daytona_plugins.local.runtime.preparing import answer

        answer(str(paths.data), preparing)
    except BaseException:  # the last frame of the process; `os._exit` follows
        traceback.print_exc()
    finally:
        os._exit(0)


def _serve(paths: Paths, prepared: int) -> None:
    with contextlib.closing(fork_zygote(paths.data, prepared)) as zygote:
        os.close(prepared)
        _take_environment()

        import logging

        from daytona_plugins.local.platform.serving import serve

        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
        gc.freeze()  # what has been imported is for good, and partly memory that is the zygote's too
        gc.enable()
        serve(paths, zygote, _announce)


def _take_environment() -> None:
    """Take over the environment of the program that started us.

    Raises:
        DaytonaLocalPlatformError: It ended before it had said all.
    """
    with open(0, "rb") as starter:
        told = starter.read()
    os.open(os.devnull, os.O_RDONLY)  # as descriptor 0, which is the lowest that is free
    if not told.endswith(b"}"):
        raise DaytonaLocalPlatformError("the program that started the embedded platform has ended")
    os.environ.clear()
    os.environ.update(json.loads(told))
    time.tzset()


def _announce(line: dict[str, object]) -> None:
    """Tell the starter, who waits for the end of the pipe too."""
    print(json.dumps(line), flush=True)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())


def _refuse(message: str, cause: str | None = None, remedy: str | None = None) -> int:
    print("cannot serve:", message, file=sys.stderr)
    _announce({"error": message, "cause": cause, "remedy": remedy})
    return 1
