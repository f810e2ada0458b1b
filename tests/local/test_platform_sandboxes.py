"""The lives of sandboxes over a driver and a clock that do what a test says."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from daytona_plugins.local.images.archives import ArchiveError
from daytona_plugins.local.platform import lifecycle
from daytona_plugins.local.platform.creation import CreateSandbox, new_record
from daytona_plugins.local.platform.records import Record
from daytona_plugins.local.platform.sandboxes import CLOSE_GRACE
from daytona_plugins.local.platform.states import Operation, State, shown
from daytona_plugins.local.web import HTTPError
from tests.local.fake_driver import FakeDriver, fake_sandboxes

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from daytona_plugins.local.platform.sandboxes import Sandboxes


class Clock:
    """A time that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def in_a_platform(scenario: Callable[[Sandboxes, FakeDriver, Clock], Awaitable[None]]) -> None:
    async def run() -> None:
        clock = Clock()
        async with fake_sandboxes(clock=clock) as (sandboxes, driver):
            await scenario(sandboxes, driver, clock)

    asyncio.run(run())


def a_record(clock: Clock, name: str = "box", **body: object) -> Record:
    return new_record(CreateSandbox(name=name, **body), clock())  # type: ignore[arg-type]  # as the test says


async def refused(work: Awaitable[object]) -> int:
    with pytest.raises(HTTPError) as caught:
        await work
    return caught.value.status


async def until(condition: Callable[[], bool]) -> None:
    """Let other tasks run until *condition* holds."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0)


def _write(file: Path) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(b"the last moment")


def state_of(sandboxes: Sandboxes, name: str = "box") -> State:
    record = sandboxes.find(name)
    return shown(record.state, record.desired)


def test_a_sandbox_being_made_is_shown_so_and_left_alone() -> None:
    async def scenario(sandboxes: Sandboxes, driver: FakeDriver, clock: Clock) -> None:
        driver.gate.clear()
        making = asyncio.ensure_future(sandboxes.create(a_record(clock)))
        await until(lambda: bool(sandboxes.all()))
        assert state_of(sandboxes) is State.CREATING
        assert await refused(sandboxes.delete(sandboxes.find("box"))) == 409
        assert await refused(sandboxes.start(sandboxes.find("box"))) == 409
        driver.gate.set()
        assert (await making).state is State.STARTED

    in_a_platform(scenario)


def test_a_client_that_goes_away_does_not_stop_what_it_began() -> None:
    async def scenario(sandboxes: Sandboxes, driver: FakeDriver, clock: Clock) -> None:
        driver.gate.clear()
        making = asyncio.ensure_future(sandboxes.create(a_record(clock)))
        await until(lambda: bool(sandboxes.all()))
        making.cancel()
        await asyncio.wait([making])
        driver.gate.set()
        await until(lambda: state_of(sandboxes) is State.STARTED)

    in_a_platform(scenario)


def test_a_sandbox_that_does_not_start_says_why_and_can_be_recovered(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario(sandboxes: Sandboxes, driver: FakeDriver, clock: Clock) -> None:
        driver.trouble = "no space"
        assert await refused(sandboxes.create(a_record(clock))) == 400
        failed = sandboxes.find("box")
        assert (failed.state, failed.error_reason, failed.recoverable) == (State.ERROR, "no space", True)
        driver.trouble = None
        recovered = await sandboxes.recover(failed)
        assert (recovered.state, recovered.error_reason, recovered.recoverable) == (
            State.STARTED,
            None,
            False,
        )

    in_a_platform(scenario)
    assert "a task of the platform failed" not in caplog.text


@pytest.mark.parametrize("stopped", [False, True])
def test_a_fork_that_gets_no_files_has_failed_and_its_parent_goes_on(
    monkeypatch: pytest.MonkeyPatch, stopped: bool
) -> None:
    def fail(*_: object) -> None:
        raise OSError("no space left on device")

    async def scenario(sandboxes: Sandboxes, _driver: FakeDriver, clock: Clock) -> None:
        parent = await sandboxes.create(a_record(clock))
        sandboxes.paths.sandbox(parent.id).mkdir()
        if stopped:
            parent = await sandboxes.stop(parent)
        with monkeypatch.context() as patch:
            patch.setattr(lifecycle, "copy_layer", fail)
            patch.setattr(sandboxes.builds.layers, "keep", fail)
            child = await sandboxes.fork(parent, "child")
        assert (child.state, child.recoverable) == (State.ERROR, False)
        assert "could not be copied: no space left on device" in (child.error_reason or "")
        assert sandboxes.get(parent.id).state is parent.state
        await sandboxes.delete(child)
        assert (await sandboxes.fork(sandboxes.get(parent.id), "another")).state is State.STARTED

    in_a_platform(scenario)


def test_a_sandbox_that_cannot_be_archived_says_why_and_can_be_recovered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def fail(*_: object) -> None:
        raise ArchiveError("tar: no space left on device")

    async def scenario(sandboxes: Sandboxes, _driver: FakeDriver, clock: Clock) -> None:
        record = await sandboxes.stop(await sandboxes.create(a_record(clock)))
        monkeypatch.setattr(lifecycle, "archive", fail)
        failed = await sandboxes.archive(record)
        assert (failed.state, failed.recoverable) == (State.ERROR, True)
        assert failed.error_reason == "it could not be archived: tar: no space left on device"
        assert (await sandboxes.recover(failed)).state is State.STARTED

    in_a_platform(scenario)


def test_each_step_is_written_down_before_it_is_taken() -> None:
    async def scenario(sandboxes: Sandboxes, _driver: FakeDriver, clock: Clock) -> None:
        seen: list[State] = []

        def note(before: object, now: object) -> None:
            if isinstance(now, Record) and (not isinstance(before, Record) or before.state is not now.state):
                seen.append(now.state)

        sandboxes.store.changes.listen(note)
        record = await sandboxes.create(a_record(clock))
        for step in (sandboxes.pause, sandboxes.start, sandboxes.stop, sandboxes.start, sandboxes.delete):
            await step(sandboxes.get(record.id))
        made, paused, resumed = (
            ["unknown", "creating", "started"],
            ["pausing", "paused"],
            ["resuming", "started"],
        )
        stopped, started, deleted = ["stopping", "stopped"], ["starting", "started"], ["destroying"]
        assert seen == [*made, *paused, *resumed, *stopped, *started, *deleted]

    in_a_platform(scenario)


def test_what_the_last_process_left_half_done_is_removed() -> None:
    async def scenario(sandboxes: Sandboxes, _driver: FakeDriver, _clock: Clock) -> None:
        draft, socket = sandboxes.paths.data / "archives" / "box.part", sandboxes.paths.agent_socket("box")
        draft.parent.mkdir()
        for file in (draft, socket):
            _write(file)
        await sandboxes.open()
        assert not draft.exists()
        assert not socket.exists()

    in_a_platform(scenario)


def test_a_failed_sandbox_is_really_deleted() -> None:
    async def scenario(sandboxes: Sandboxes, driver: FakeDriver, clock: Clock) -> None:
        driver.trouble = "no space"
        await refused(sandboxes.create(a_record(clock)))
        await sandboxes.delete(sandboxes.find("box"))
        assert sandboxes.all() == []

    in_a_platform(scenario)


@pytest.mark.parametrize("paused", [False, True])
@pytest.mark.parametrize(
    ("status", "state"),
    [
        *((status, State.STOPPED) for status in (0, 137, 143, 255, -9, -15)),
        *((status, State.ERROR) for status in (1, 139, -11)),
    ],
)
def test_a_sandbox_that_ends_by_itself_is_stopped_or_failed(status: int, state: State, paused: bool) -> None:
    async def scenario(sandboxes: Sandboxes, driver: FakeDriver, clock: Clock) -> None:
        record = await sandboxes.create(a_record(clock))
        if paused:
            await sandboxes.pause(record)
        await driver.sandboxes[record.id].die(status)
        await until(lambda: sandboxes.find("box").state is state)
        assert sandboxes.running(record.id) is None
        back = sandboxes.recover if state is State.ERROR else sandboxes.start
        await back(sandboxes.find("box"))
        assert sandboxes.answering(record.id) is not None

    in_a_platform(scenario)


def test_an_ephemeral_sandbox_that_ends_by_itself_is_gone() -> None:
    async def scenario(sandboxes: Sandboxes, driver: FakeDriver, clock: Clock) -> None:
        record = await sandboxes.create(a_record(clock, auto_delete_interval=0))
        await sandboxes.pause(record)
        await driver.sandboxes[record.id].die(0)
        await until(lambda: sandboxes.all() == [])

    in_a_platform(scenario)


def test_when_the_platform_ends_sandboxes_are_stopped_and_ephemeral_ones_gone() -> None:
    async def scenario(sandboxes: Sandboxes, driver: FakeDriver, clock: Clock) -> None:
        kept = await sandboxes.create(a_record(clock))
        gone = await sandboxes.create(a_record(clock, "ephemeral", auto_delete_interval=0))
        await sandboxes.close()
        assert [(one.name, one.state) for one in sandboxes.all()] == [("box", State.STOPPED)]
        assert driver.sandboxes[kept.id].graces == driver.sandboxes[gone.id].graces == [CLOSE_GRACE]

    in_a_platform(scenario)


def test_an_idle_sandbox_is_paused_and_answers_again_when_it_is_started() -> None:
    async def scenario(sandboxes: Sandboxes, driver: FakeDriver, clock: Clock) -> None:
        record = await sandboxes.create(a_record(clock, auto_pause_interval=1))
        clock.now += 60
        await sandboxes.tick()
        assert state_of(sandboxes) is State.PAUSED
        assert sandboxes.answering(record.id) is None
        await sandboxes.start(sandboxes.find("box"))
        assert sandboxes.answering(record.id) is sandboxes.running(record.id) is driver.sandboxes[record.id]
        assert driver.spawned == [record.id]

    in_a_platform(scenario)


def test_a_forced_stop_grants_no_time() -> None:
    async def scenario(sandboxes: Sandboxes, driver: FakeDriver, clock: Clock) -> None:
        for force, grace in ((False, 10), (True, 0)):
            record = await sandboxes.create(a_record(clock, name=str(force)))
            await sandboxes.stop(record, force=force)
            assert driver.sandboxes[record.id].graces == [grace]

    in_a_platform(scenario)


def test_two_stops_at_a_time_are_one() -> None:
    async def scenario(sandboxes: Sandboxes, driver: FakeDriver, clock: Clock) -> None:
        record = await sandboxes.create(a_record(clock))
        results = await asyncio.gather(sandboxes.stop(record), sandboxes.stop(record), return_exceptions=True)
        statuses = [result.status for result in results if isinstance(result, HTTPError)]
        assert statuses == [409]

    in_a_platform(scenario)


def test_time_alone_stops_and_deletes() -> None:
    async def scenario(sandboxes: Sandboxes, driver: FakeDriver, clock: Clock) -> None:
        await sandboxes.create(a_record(clock, auto_stop_interval=1, auto_delete_interval=2))
        await sandboxes.tick()
        assert state_of(sandboxes) is State.STARTED
        clock.now += 60
        await sandboxes.tick()
        assert state_of(sandboxes) is State.STOPPED
        clock.now += 120
        await sandboxes.tick()
        assert sandboxes.all() == []

    in_a_platform(scenario)


def test_use_puts_off_the_stop_and_settings_do_not() -> None:
    async def scenario(sandboxes: Sandboxes, driver: FakeDriver, clock: Clock) -> None:
        record = await sandboxes.create(a_record(clock, auto_stop_interval=1))
        clock.now += 50
        sandboxes.activity.touch(record.id)
        clock.now += 50
        sandboxes.change(record, labels={"a": "b"})
        await sandboxes.tick()
        assert state_of(sandboxes) is State.STARTED
        clock.now += 10
        await sandboxes.tick()
        assert state_of(sandboxes) is State.STOPPED

    in_a_platform(scenario)


def test_the_lifetime_of_a_parent_ends_while_it_has_forks() -> None:
    async def scenario(sandboxes: Sandboxes, _driver: FakeDriver, clock: Clock) -> None:
        parent = await sandboxes.stop(await sandboxes.create(a_record(clock, ttl_minutes=1)))
        child = await sandboxes.fork(parent, "child")
        sandboxes.change(child, auto_destroy_at=None)
        assert await refused(sandboxes.delete(sandboxes.find("box"))) == 400
        clock.now += 60
        await sandboxes.tick()
        assert [record.name for record in sandboxes.all()] == ["child"]

    in_a_platform(scenario)


def test_a_lifetime_ends_whatever_happens() -> None:
    async def scenario(sandboxes: Sandboxes, driver: FakeDriver, clock: Clock) -> None:
        record = await sandboxes.create(a_record(clock, auto_stop_interval=0, ttl_minutes=1))
        clock.now += 60
        sandboxes.activity.touch(record.id)
        await sandboxes.tick()
        assert sandboxes.all() == []

    in_a_platform(scenario)


def test_a_deletion_calls_an_archive_off(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = asyncio.Event()

    async def written_in_the_end(_directory: Path, file: Path) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            _write(file)

    async def scenario(sandboxes: Sandboxes, _driver: FakeDriver, clock: Clock) -> None:
        monkeypatch.setattr(lifecycle, "archive", written_in_the_end)
        box = await sandboxes.stop(await sandboxes.create(a_record(clock)))
        archiving = asyncio.ensure_future(sandboxes.archive(box))
        await begun.wait()
        await sandboxes.delete(sandboxes.find("box"))
        await archiving
        assert sandboxes.all() == []
        assert list((sandboxes.paths.data / "archives").iterdir()) == []

    in_a_platform(scenario)


def test_one_sandbox_that_cannot_be_stopped_does_not_keep_the_others() -> None:
    async def scenario(sandboxes: Sandboxes, _driver: FakeDriver, clock: Clock) -> None:
        for name in ("first", "second"):
            await sandboxes.create(a_record(clock, name=name, auto_stop_interval=1))
        changing = sandboxes.all()[0]

        async def stop(record: Record) -> Record:
            if record.id == changing.id:
                raise HTTPError(409, "it is changing")
            return await stop_really(record)

        stop_really = sandboxes.stop
        sandboxes._due[Operation.STOP] = stop
        clock.now += 60
        await sandboxes.tick()
        states = {record.id: record.state for record in sandboxes.all()}
        assert states.pop(changing.id) is State.STARTED
        assert [*states.values()] == [State.STOPPED]

    in_a_platform(scenario)


def test_a_start_calls_an_archive_off(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = asyncio.Event()

    async def never_done(_directory: object, _file: object) -> None:
        begun.set()
        await asyncio.Event().wait()

    async def scenario(sandboxes: Sandboxes, _driver: FakeDriver, clock: Clock) -> None:
        monkeypatch.setattr(lifecycle, "archive", never_done)
        box = await sandboxes.create(a_record(clock))
        box = await sandboxes.stop(box)
        archiving = asyncio.ensure_future(sandboxes.archive(box))
        await begun.wait()
        assert state_of(sandboxes) is State.ARCHIVING
        assert await refused(sandboxes.stop(sandboxes.find("box"))) == 409
        started = await sandboxes.start(sandboxes.find("box"))
        assert started.state is State.STARTED
        await archiving
        assert state_of(sandboxes) is State.STARTED

    in_a_platform(scenario)
