"""`/computeruse/recordings`: films of the screen, made by ffmpeg, kept as files with their facts beside them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
import uuid
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from daytona_plugins.computer_use.desktop.waiting import until
from daytona_plugins.local.agent.body import read_json
from daytona_plugins.local.agent.download import file_response
from daytona_plugins.local.agent.errors import bad_request
from daytona_plugins.local.web import HTTPError, Response, json_response

if TYPE_CHECKING:
    from daytona_plugins.local.agent.toolbox import Toolbox
    from daytona_plugins.local.web import Request

LABEL: Final = re.compile(r"(?!\.)[A-Za-z0-9 ._-]{1,100}")
RATE: Final = 30
PATIENCE: Final = 10.0
FIRST_BYTES: Final = 5.0
"""Seconds within which ffmpeg has to show that it records."""


class StartRequest(msgspec.Struct):
    """A film to begin."""

    label: str | None = None


class StopRequest(msgspec.Struct):
    """A film to end."""

    id: str = ""


class Facts(msgspec.Struct, rename="camel", omit_defaults=True):
    """What clients see of a film."""

    id: str
    file_name: str
    file_path: str
    start_time: str
    status: str
    end_time: str | None = None
    duration_seconds: float | None = None
    size_bytes: int | None = None


class _Running(msgspec.Struct):
    """A film that is being made."""

    facts: Facts
    pid: int
    ended: asyncio.Future[int]
    since: float


def add_recordings(toolbox: Toolbox) -> None:
    """Answer for films."""
    films = Recordings(toolbox)
    router = toolbox.router
    router.add("POST", "/computeruse/recordings/start", films.start)
    router.add("POST", "/computeruse/recordings/stop", films.stop)
    router.add("GET", "/computeruse/recordings", films.list_all)
    router.add("GET", "/computeruse/recordings/{id}", films.get)
    router.add("DELETE", "/computeruse/recordings/{id}", films.delete)
    router.add("GET", "/computeruse/recordings/{id}/download", films.download)


class Recordings:
    """The films of a sandbox: those being made, and those on disk."""

    def __init__(self, toolbox: Toolbox) -> None:
        self._toolbox = toolbox
        self._reaper = toolbox.reaper
        self._running: dict[str, _Running] = {}

    @cached_property
    def _directory(self) -> Path:
        return Path(os.environ.get("HOME", self._toolbox.work_dir)) / ".daytona/recordings"

    async def start(self, request: Request) -> Response:
        """Begin a film, and answer when its first bytes are there."""
        label = await _label(request)
        if shutil.which("ffmpeg") is None:
            raise HTTPError(
                503, "this sandbox has no ffmpeg: apt-get install ffmpeg", code="RECORDING_FFMPEG_NOT_FOUND"
            )
        if "DISPLAY" not in os.environ:
            raise bad_request("the desktop does not run: call computer_use.start() first")
        film = self._begin(label)
        await self._wait_until_recording(film)
        return json_response(film.facts, 201)

    async def stop(self, request: Request) -> Response:
        """End a film in good order, so that it can be played."""
        wanted = await read_json(request, StopRequest)
        if not wanted.id:
            raise bad_request("invalid request: id is required")
        film = self._running.get(wanted.id)
        if film is None:
            raise _not_found()
        os.kill(film.pid, signal.SIGINT)
        done, _ = await asyncio.wait({film.ended}, timeout=PATIENCE)
        if not done:
            os.kill(film.pid, signal.SIGKILL)
            await asyncio.wait({film.ended})
        return json_response(self._finished(film))

    async def list_all(self, _request: Request) -> Response:
        """Return the films: those being made, then those that have ended, by name."""
        self._forget_crashed()
        active = [film.facts for film in self._running.values()]
        return json_response({"recordings": [*active, *self._stored()]})

    async def get(self, request: Request) -> Response:
        """Return one film's facts."""
        return json_response(self._find(request))

    async def delete(self, request: Request) -> Response:
        """Delete a film that has ended."""
        facts = self._find(request)
        if facts.id in self._running:
            raise HTTPError(409, "the recording has not ended: stop it first", code="RECORDING_STILL_ACTIVE")
        _remove(Path(facts.file_path))
        return Response(204)

    async def download(self, request: Request) -> Response:
        """Return a film as a file; ranges are understood."""
        facts = self._find(request)
        try:
            return file_response(request, facts.file_path, [("Content-Type", "video/mp4")])
        except FileNotFoundError as error:
            raise HTTPError(404, "file not found", code="NOT_FOUND") from error

    # -- Making ---------------------------------------------------------------------------------------------------

    def _begin(self, label: str) -> _Running:
        self._directory.mkdir(parents=True, exist_ok=True)
        identity = str(uuid.uuid4())
        started = datetime.now(UTC)
        name = f"{identity}_{label or 'session'}_{started:%Y%m%d_%H%M%S}.mp4"
        path = self._directory / name
        pid = self._spawn(path)
        facts = Facts(identity, name, str(path), _time(started), "recording")
        film = _Running(facts, pid, self._reaper.claim(pid), time.monotonic())
        self._running[identity] = film
        return film

    def _spawn(self, path: Path) -> int:
        command = [
            "ffmpeg", "-nostdin", "-loglevel", "error", "-y", "-f", "x11grab", "-framerate", str(RATE),
            "-i", os.environ["DISPLAY"], "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p",
            "-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2", str(path),
        ]  # fmt: skip
        with path.with_suffix(".err").open("wb") as errors:
            process = subprocess.Popen(  # noqa: S603 (ffmpeg)
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                start_new_session=True,
            )
        process.returncode = 0  # the reaper collects it, not this object
        return process.pid

    async def _wait_until_recording(self, film: _Running) -> None:
        """Refuse a film that ffmpeg cannot make, instead of answering before it has tried."""
        path = Path(film.facts.file_path)

        async def decided() -> bool:
            return film.ended.done() or _has_begun(path)

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FIRST_BYTES):
                await until(decided)
        film.since = time.monotonic()
        if film.ended.done():
            del self._running[film.facts.id]
            raise HTTPError(500, f"ffmpeg cannot record: {_last_words(path)}", code="INTERNAL_SERVER_ERROR")

    def _finished(self, film: _Running) -> Facts:
        """Return the facts of a film that has ended, and keep them beside it: the file does not tell them."""
        self._running.pop(film.facts.id, None)
        path = Path(film.facts.file_path)
        facts = film.facts
        facts.status = "completed"
        facts.end_time = _time(datetime.now(UTC))
        facts.duration_seconds = round(time.monotonic() - film.since, 3)
        facts.size_bytes = path.stat().st_size if path.exists() else 0
        path.with_suffix(".json").write_bytes(msgspec.json.encode(facts))
        path.with_suffix(".err").unlink(missing_ok=True)
        return facts

    def _forget_crashed(self) -> None:
        for film in [film for film in self._running.values() if film.ended.done()]:
            self._finished(film)

    # -- Finding --------------------------------------------------------------------------------------------------

    def _find(self, request: Request) -> Facts:
        self._forget_crashed()
        wanted = request.params["id"]
        if wanted in self._running:
            return self._running[wanted].facts
        for facts in self._stored():
            if facts.id == wanted:
                return facts
        raise _not_found()

    def _stored(self) -> list[Facts]:
        running = {film.facts.file_path for film in self._running.values()}
        films = [path for path in sorted(self._directory.glob("*.mp4")) if str(path) not in running]
        return [_facts_of(path) for path in films]


async def _label(request: Request) -> str:
    """Return the label; a body that cannot be read means none, as for the real daemon."""
    try:
        label = (await read_json(request, StartRequest)).label or ""
    except HTTPError:
        label = ""
    if label and not LABEL.fullmatch(label):
        raise bad_request(
            f"invalid label {label!r}: 1 to 100 letters, digits, spaces, dots, underscores and hyphens, no dot first"
        )
    return label


def _has_begun(path: Path) -> bool:
    return path.exists()


def _remove(path: Path) -> None:
    for suffix in (".mp4", ".json", ".err"):
        path.with_suffix(suffix).unlink(missing_ok=True)


def _last_words(path: Path) -> str:
    """Return why there is no film, and leave nothing of it."""
    words = path.with_suffix(".err").read_text(encoding="utf-8", errors="replace").strip()
    _remove(path)
    return words


def _facts_of(path: Path) -> Facts:
    """Return what is known of a film on disk; of one that came from elsewhere, what its file tells."""
    with contextlib.suppress(OSError, msgspec.DecodeError):
        return msgspec.json.decode(path.with_suffix(".json").read_bytes(), type=Facts)
    status = path.stat()
    identity = path.name.partition("_")[0]
    if not re.fullmatch(r"[0-9a-f-]{36}", identity):
        identity = str(uuid.uuid5(uuid.NAMESPACE_URL, str(path)))
    moment = _time(datetime.fromtimestamp(status.st_mtime, UTC))
    return Facts(
        identity, path.name, str(path), moment, "completed", end_time=moment, size_bytes=status.st_size
    )


def _time(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _not_found() -> HTTPError:
    return HTTPError(404, "recording not found", code="NOT_FOUND")
