"""What a zygote has to find out and to make before there can be sandboxes.

Imports take as long, so a process beside it does this meanwhile: the one that was started first, where a platform begins, and
a child of the zygote where only that one begins.
"""

from __future__ import annotations

import os
import signal
import traceback
from pathlib import Path
from typing import NoReturn

import msgspec

from daytona_plugins.local.runtime import kernel
from daytona_plugins.local.runtime.hostimage import HostImage, prepare_host_image
from daytona_plugins.local.runtime.probe import Verdict, probe
from daytona_plugins.local.runtime.procplan import ProcPlan, plan_proc


class Prepared(msgspec.Struct, frozen=True):
    """What sandboxes are built from; there is nothing to build with unless the verdict is a full one."""

    verdict: Verdict
    image: HostImage | None = None
    proc: ProcPlan | None = None


_decode = msgspec.json.Decoder(Prepared).decode


def begin(data: str) -> int:
    """Start a child that prepares, and return the descriptor of its answer; whoever reaps children reaps it too."""
    reading, writing = os.pipe()
    if os.fork() == 0:
        kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
        answer(data, writing)
    os.close(writing)
    return reading


def finish(descriptor: int) -> Prepared:
    """Return what was prepared, when it is; closes the descriptor.

    Raises:
        RuntimeError: Who prepared has failed, and the traceback is in the log.
    """
    with open(descriptor, "rb") as told:
        prepared = told.read()
    if not prepared:
        raise RuntimeError("the machine could not be prepared for sandboxes")
    return _decode(prepared)


def answer(data: str, descriptor: int) -> NoReturn:
    """Prepare, as a process that has nothing else to do, write what there is now to *descriptor*, and end."""
    try:
        with open(descriptor, "wb") as told:
            told.write(msgspec.json.encode(prepare(Path(data))))
    except BaseException:  # the last frame of the process; `os._exit` follows
        traceback.print_exc()
    finally:
        os._exit(0)


def prepare(data: Path) -> Prepared:
    """Look at the machine and make the host image, as far as that has not been done before."""
    verdict = probe(data)
    if not verdict.full:
        return Prepared(verdict)
    return Prepared(verdict, prepare_host_image(data), plan_proc())
