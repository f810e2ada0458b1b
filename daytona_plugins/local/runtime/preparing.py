"""What a zygote has to find out and to make before there can be sandboxes.

The zygote's imports take as long, so a process beside it does this meanwhile.
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


class Preparation:
    """A child that prepares; `finish` waits for it."""

    def __init__(self, data: str, skeleton: int | None) -> None:
        reading, writing = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            _answer(data, skeleton, writing)
        os.close(writing)
        if skeleton is not None:
            os.close(skeleton)
        self._answer = reading

    def finish(self) -> Prepared:
        """Return what there is now; to be called once.

        Raises:
            RuntimeError: The child has failed, and its traceback is in the log.
        """
        with open(self._answer, "rb") as answer:
            told = answer.read()
        os.waitpid(self._pid, 0)
        if not told:
            raise RuntimeError("the machine could not be prepared for sandboxes")
        return _decode(told)


def prepare(data: Path, skeleton: int | None) -> Prepared:
    """Look at the machine and make the host image, as far as that has not been done before."""
    verdict = probe(data)
    if not verdict.full:
        return Prepared(verdict)
    if skeleton is not None:
        os.read(skeleton, 1)  # returns when whoever makes it has ended
    return Prepared(verdict, prepare_host_image(data), plan_proc())


def _answer(data: str, skeleton: int | None, writing: int) -> NoReturn:
    """Run as the child, which ends with the zygote."""
    try:
        kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
        with open(writing, "wb") as answer:
            answer.write(msgspec.json.encode(prepare(Path(data), skeleton)))
    except BaseException:  # the last frame of the process; `os._exit` follows
        traceback.print_exc()
    finally:
        os._exit(0)
