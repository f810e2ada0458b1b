"""Sandboxes made ahead: who gets them, who does not, and what becomes of those that nobody gets."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from daytona.errors import DaytonaLocalPlatformError
from daytona_plugins.local.platform.creation import CreateSandbox, new_record
from daytona_plugins.local.platform.ending import is_alive, with_descendants
from daytona_plugins.local.platform.serving import how_many_parked
from daytona_plugins.local.platform.states import State
from daytona_plugins.local.web import HTTPError
from tests.local.fake_driver import fake_sandboxes
from tests.local.platform_process import Platform, agents_of, children_of, running_platform, wait_for_end
from tests.local.test_platform_sandboxes import until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator

    from daytona_plugins.local.platform.records import Record
    from daytona_plugins.local.platform.sandboxes import Sandboxes
    from tests.local.fake_driver import FakeDriver

# -- On this machine --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def platform() -> Generator[Platform]:
    with running_platform() as platform:
        platform.api("DELETE", f"/sandbox/{platform.create()['id']}")
        yield platform


@pytest.fixture(autouse=True)
def _leave_no_sandbox(request: pytest.FixtureRequest) -> Generator[None]:
    yield
    if "platform" in request.fixturenames:
        request.getfixturevalue("platform").delete_all()


def marks(platform: Platform) -> set[str]:
    return {mark.name for mark in platform.paths.parked.iterdir()}


def claim(platform: Platform, **body: object) -> Any:
    """Make sandboxes until one is that was made ahead, which takes a moment after each."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if parked := marks(platform):
            made = platform.create(**body)
            if made["id"] in parked:
                return made
            platform.api("DELETE", f"/sandbox/{made['id']}")
    raise AssertionError("no sandbox is made ahead")


def test_a_claimed_sandbox_is_what_was_asked_for(platform: Platform) -> None:
    made = claim(platform, name="mine", labels={"a": "b"}, env={"GIVEN": "yes"}, autoStopInterval=7)
    seen = platform.execute(
        made["id"], "echo $GIVEN $DAYTONA_SANDBOX_ID $DAYTONA_SANDBOX_USER; hostname; pwd"
    )
    assert seen["result"].split() == ["yes", made["id"], "daytona", made["id"], "/home/daytona"]
    found = platform.api("GET", "/sandbox/mine").json
    assert (found["id"], found["state"], found["labels"]) == (made["id"], "started", {"a": "b"})
    assert (found["autoStopInterval"], found["env"]) == (7, {"GIVEN": "yes"})
    assert platform.api("POST", "/sandbox/mine/stop").status == 200
    assert platform.api("POST", "/sandbox/mine/start").json["state"] == "started"
    assert platform.execute(made["id"], "echo $GIVEN")["result"] == "yes\n"


def test_without_a_name_it_is_named_by_its_id(platform: Platform) -> None:
    made = claim(platform)
    assert made["name"] == made["id"]


def test_nothing_of_one_is_seen_in_the_next(platform: Platform) -> None:
    first = claim(platform, env={"GIVEN": "yes"})
    platform.execute(first["id"], "touch ~/left /tmp/left; sleep 1000 > /dev/null 2>&1 &")
    second = claim(platform)
    platform.execute(first["id"], "touch ~/left /tmp/left /usr/local/left")
    looked = platform.execute(
        second["id"],
        "echo ${GIVEN-unset}; find / -xdev -name left 2>/dev/null; ls -A ~ /tmp; grep -l sleep /proc/[0-9]*/comm",
    )
    assert looked["result"].split() == ["unset", "/home/daytona:", "/tmp:"]


def test_a_parked_sandbox_is_in_no_list_and_cannot_be_reached(platform: Platform) -> None:
    made = claim(platform)
    while not (parked := marks(platform)):
        assert platform.execute(made["id"], "true")["exitCode"] == 0
    everything = platform.api("GET", "/sandbox?limit=200&includeErroredDeleted=true&includeWarm=true").json
    assert [item["id"] for item in everything["items"]] == [made["id"]]
    for one in parked:
        assert platform.api("GET", f"/sandbox/{one}").status == 404
        assert platform.call("GET", f"/toolbox/{one}/version").status == 404


@pytest.mark.parametrize(
    "body", [{"networkBlockAll": True}, {"env": {"HOME": "/elsewhere"}}], ids=["network", "home"]
)
def test_who_asks_for_what_it_cannot_become_gets_another_one(
    platform: Platform, body: dict[str, Any]
) -> None:
    platform.api("DELETE", f"/sandbox/{claim(platform)['id']}")
    made = platform.create(**body)
    assert made["id"] not in marks(platform)
    assert platform.execute(made["id"], "echo $HOME")["result"] == (
        "/elsewhere\n" if "env" in body else "/home/daytona\n"
    )
    assert made["isolation"]["network"] == ("host" if "env" in body else "none")


def test_one_that_has_just_been_killed_is_nobodys_problem(platform: Platform) -> None:
    platform.api("DELETE", f"/sandbox/{claim(platform)['id']}")
    (zygote,) = children_of(platform.endpoint.pid)
    while not (agents := agents_of(zygote)):
        assert platform.api("GET", "/health").status == 200
    for agent in agents:
        os.kill(agent, signal.SIGKILL)
    made = platform.create()
    assert platform.execute(made["id"], "echo alive")["result"] == "alive\n"


def test_nothing_of_it_is_left_by_a_platform_that_was_killed() -> None:
    with running_platform() as platform:
        kept = platform.create()["id"]
        while not marks(platform):
            assert platform.api("GET", "/health").status == 200
        family = with_descendants(platform.endpoint.pid)
        descriptors = [os.pidfd_open(process.pid) for process in family if is_alive(process)]
        os.kill(platform.endpoint.pid, signal.SIGKILL)
        assert wait_for_end(descriptors), "a process outlived the platform"
        platform.start()
        assert marks(platform) == set()
        assert {directory.name for directory in platform.paths.sandboxes.iterdir()} == {kept}


# -- With sandboxes that do what the test says ------------------------------------------------------------------------


def in_a_platform(scenario: Callable[[Sandboxes, FakeDriver], Awaitable[None]], parked: int = 1) -> None:
    async def run() -> None:
        async with asyncio.timeout(20), fake_sandboxes(parked=parked) as (sandboxes, driver):
            await scenario(sandboxes, driver)

    asyncio.run(run())


def a_record(name: str | None = None, **body: object) -> Record:
    return new_record(CreateSandbox(name=name, **body), 0.0)  # type: ignore[arg-type]  # as the test says


async def parked_one(sandboxes: Sandboxes) -> str:
    """Return the id of the sandbox that is made ahead, when it is there."""
    await until(lambda: bool(sandboxes.parked))
    (parked,) = sandboxes.parked
    return parked


def test_before_the_first_sandbox_and_with_none_wanted_nothing_is_made_ahead() -> None:
    async def scenario(sandboxes: Sandboxes, driver: FakeDriver) -> None:
        assert not driver.sandboxes
        made = [await sandboxes.create(a_record()) for _ in range(3)]
        assert driver.sandboxes.keys() == {record.id for record in made}

    in_a_platform(scenario, parked=0)


def test_a_name_that_is_taken_costs_no_parked_sandbox() -> None:
    async def scenario(sandboxes: Sandboxes, driver: FakeDriver) -> None:
        await sandboxes.create(a_record("box"))
        parked = await parked_one(sandboxes)
        with pytest.raises(HTTPError) as refused:
            await sandboxes.create(a_record("box"))
        assert refused.value.status == 409
        assert (await sandboxes.create(a_record("other"))).id == parked

    in_a_platform(scenario)


def test_it_is_like_the_last_sandbox_that_was_asked_for() -> None:
    async def scenario(sandboxes: Sandboxes, driver: FakeDriver) -> None:
        await sandboxes.create(a_record())
        first = await parked_one(sandboxes)
        larger = await sandboxes.create(limited(a_record()))
        assert larger.id != first
        await driver.sandboxes[first].wait()  # it is of no use any more
        second = await parked_one(sandboxes)
        assert (await sandboxes.create(limited(a_record()))).id == second

    def limited(record: Record) -> Record:
        return msgspec.structs.replace(record, limited=("cpu",), cpu=1)

    in_a_platform(scenario)


def test_one_that_ends_is_forgotten_with_its_files() -> None:
    async def scenario(sandboxes: Sandboxes, driver: FakeDriver) -> None:
        await sandboxes.create(a_record())
        parked = await parked_one(sandboxes)
        sandboxes.paths.sandbox(parked).mkdir()
        await driver.sandboxes[parked].die(-9)
        await until(lambda: not (sandboxes.paths.parked / parked).exists())
        assert not sandboxes.paths.sandbox(parked).exists()
        made = await sandboxes.create(a_record())
        assert (made.id != parked, made.state) == (True, State.STARTED)

    in_a_platform(scenario)


def test_an_environment_that_is_refused_is_refused_as_by_a_new_sandbox() -> None:
    """The agent answers 400; then the sandbox is made anew, and says itself what is wrong."""

    async def scenario(sandboxes: Sandboxes, driver: FakeDriver) -> None:
        await sandboxes.create(a_record())
        parked = await parked_one(sandboxes)
        driver.status = 400
        made = await sandboxes.create(a_record(env={"A": "b"}))
        assert made.id == parked
        assert driver.spawned.count(parked) == 2

    in_a_platform(scenario)


def test_the_number_is_configured() -> None:
    assert how_many_parked({}) == 1
    assert how_many_parked({"DAYTONA_LOCAL_PARKED": "0"}) == 0
    for wrong in ("-1", "many", "101"):
        with pytest.raises(DaytonaLocalPlatformError, match="DAYTONA_LOCAL_PARKED"):
            how_many_parked({"DAYTONA_LOCAL_PARKED": wrong})
