"""A desktop: a real window on a real X server, looked at, typed into, clicked, filmed and read by name."""

from __future__ import annotations

import io
import subprocess
import uuid
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from daytona import (
    DaytonaA11yUnavailableError,
    DaytonaBadRequestError,
    DaytonaNotFoundError,
    DaytonaRecordingStillActiveError,
    DaytonaServiceUnavailableError,
    ScreenshotOptions,
    ScreenshotRegion,
    SessionExecuteRequest,
)
from tests.behaviour.desktop_programs import lacking_programs, lacking_window

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable

    from tests.local.platform_process import Platform

Image = pytest.importorskip("PIL.Image", reason="needs the Python package pillow (extra `desktop`)")

RED, GREEN = (255, 0, 0), (0, 255, 0)
PROGRAM = Path(__file__).with_name("window.py")

missing = lacking_programs()
pytestmark = pytest.mark.skipif(bool(missing), reason=f"needs the Debian packages {' '.join(missing)}")


class Area(NamedTuple):
    """Where a widget is on the screen."""

    x: int
    y: int
    width: int
    height: int

    @property
    def middle(self) -> tuple[int, int]:
        return self.x + self.width // 2, self.y + self.height // 2

    @property
    def region(self) -> ScreenshotRegion:
        return ScreenshotRegion(**self._asdict())


class Window:
    """The program on the screen: where its parts are, and what it says."""

    def __init__(self, desktop: Any, lines: AsyncIterator[str]) -> None:
        self.desktop = desktop
        self._lines = lines

    async def hears(self) -> str:
        """Return the next thing that the program says."""
        return await anext(self._lines)

    async def find_parts(self) -> None:
        word, *numbers = (await self.hears()).split()
        assert word == "areas"
        values = [int(number) for number in numbers]
        self.button, self.entry, self.canvas = (Area(*values[at : at + 4]) for at in (0, 4, 8))


async def lines_of(events: AsyncGenerator[Any]) -> AsyncGenerator[str]:
    """Yield the lines of a program's output as they come."""
    text = ""
    async with aclosing(events):
        async for event in events:
            assert event.stream == "stdout", event.text
            text += event.text
            *lines, text = text.split("\n")
            for line in lines:
                yield line


@pytest.fixture(scope="module")
def desktop_id(platform: Platform, shared_id: str) -> str:
    """The id of a sandbox whose desktop runs."""
    answer = platform.call("POST", f"/toolbox/{shared_id}/computeruse/start")
    assert answer.status == 200, answer.body
    return shared_id


@pytest.fixture
def desktop(connect: Callable[[], Any], desktop_id: str) -> Callable[[], Any]:
    """Return a function that opens the desktop that tests share."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Any]:
        async with connect() as daytona:
            yield (await daytona.get(desktop_id)).computer_use

    return opened


@pytest.fixture
def window(connect: Callable[[], Any], desktop_id: str) -> Callable[[], Any]:
    """Return a function that shows the window of `window.py`."""
    if lacking_window():
        pytest.skip(f"needs the Debian packages {' '.join(lacking_window())}")

    @asynccontextmanager
    async def shown() -> AsyncIterator[Window]:
        async with connect() as daytona:
            sandbox = await daytona.get(desktop_id)
            name = f"w-{uuid.uuid4().hex[:8]}"
            await sandbox.fs.upload_file(PROGRAM.read_bytes(), f"/tmp/{name}.py")
            await sandbox.process.create_session(name)
            try:
                request = SessionExecuteRequest(command=f"/usr/bin/python3 /tmp/{name}.py", run_async=True)
                command = (await sandbox.process.execute_session_command(name, request)).cmd_id
                events = sandbox.process.stream_session_command_logs(name, command)
                async with aclosing(lines_of(events)) as lines:
                    window = Window(sandbox.computer_use, lines)
                    await window.find_parts()
                    yield window
            finally:
                await sandbox.process.delete_session(name)

    return shown


def pixels(shot: Any) -> Any:
    """Return a screenshot as a picture."""
    return Image.open(io.BytesIO(shot.data)).convert("RGB")


def colours(picture: Any) -> set[tuple[int, int, int]]:
    """Return the colours that a picture has."""
    return {colour for _count, colour in picture.getcolors(1 << 24)}


# -- Keyboard and mouse -----------------------------------------------------------------------------------------------


async def test_what_is_typed_arrives_whatever_its_alphabet(window: Callable[[], Any]) -> None:
    text = "Grüße <world> {1|2} ~\\ 'x' €, λόγος, 世界, q̃ 🙂"
    async with window() as shown:
        keyboard = shown.desktop.keyboard
        await shown.desktop.mouse.click(*shown.entry.middle)
        await keyboard.type(text, delay=1)
        await keyboard.press("Return")
        assert await shown.hears() == f"said {text}"
        await keyboard.hotkey("ctrl+a")
        await keyboard.type("anew\n")
        assert await shown.hears() == "said anew"


async def test_keys_do_not_overtake_a_click(window: Callable[[], Any], box: Callable[[], Any]) -> None:
    async with window() as shown, box() as sandbox:
        slow = "pkill -STOP -x openbox && { (sleep 0.3; pkill -CONT -x openbox) >/dev/null 2>&1 & }"
        assert (await sandbox.process.exec(slow)).exit_code == 0
        await shown.desktop.mouse.click(*shown.entry.middle)
        await shown.desktop.keyboard.type("in order\n")
        assert await shown.hears() == "said in order"


async def test_keys_are_pressed_with_others_held(window: Callable[[], Any]) -> None:
    async with window() as shown:
        keyboard = shown.desktop.keyboard
        await keyboard.hotkey("ctrl+shift+f5")
        assert await shown.hears() == "key ctrl shift f5"
        await keyboard.press("F5", ["alt"])
        assert await shown.hears() == "key alt f5"
        await keyboard.down("Control")
        await keyboard.press("f5")
        await keyboard.up("ctrl")
        await keyboard.press("f5")
        assert [await shown.hears(), await shown.hears()] == ["key ctrl f5", "key f5"]


async def test_a_click_reaches_the_button_and_the_screen_shows_what_it_did(window: Callable[[], Any]) -> None:
    async with window() as shown:
        screenshot = shown.desktop.screenshot
        assert colours(pixels(await screenshot.take_region(shown.canvas.region))) == {RED}
        where = await shown.desktop.mouse.click(*shown.button.middle)
        assert (where.x, where.y) == shown.button.middle
        assert await shown.hears() == "clicked"
        part = pixels(await screenshot.take_region(shown.canvas.region))
        assert (part.size, colours(part)) == ((shown.canvas.width, shown.canvas.height), {GREEN})
        canvas = shown.canvas
        whole = pixels(await screenshot.take_full_screen())
        box = (canvas.x, canvas.y, canvas.x + canvas.width, canvas.y + canvas.height)
        assert whole.crop(box).tobytes() == part.tobytes()
        assert whole.getpixel((canvas.x + canvas.width - 1, canvas.y + canvas.height - 1)) == GREEN


async def test_the_mouse_clicks_drags_and_scrolls(window: Callable[[], Any]) -> None:
    async with window() as shown:
        mouse, canvas = shown.desktop.mouse, shown.canvas
        await mouse.click(canvas.x + 10, canvas.y + 20, "right", modifiers=["ctrl", "shift"])
        assert await shown.hears() == "press 3 10 20 ctrl shift"
        assert await shown.hears() == "release 3 10 20 ctrl shift"
        await mouse.click(canvas.x + 50, canvas.y + 60, double=True)
        assert await shown.hears() == "press 1 50 60"
        assert await shown.hears() == "release 1 50 60"
        assert await shown.hears() == "press 1 50 60"
        assert await shown.hears() == "double 1 50 60"
        assert await shown.hears() == "release 1 50 60"
        end = await mouse.drag(canvas.x + 5, canvas.y + 5, canvas.x + 100, canvas.y + 80)
        assert (end.x, end.y) == (canvas.x + 100, canvas.y + 80)
        assert [await shown.hears(), await shown.hears()] == ["press 1 5 5", "release 1 100 80"]
        for direction in ("up", "down", "left", "right"):
            assert await mouse.scroll(*canvas.middle, direction, 2) is True
            assert [await shown.hears(), await shown.hears()] == [f"scroll {direction}"] * 2


async def test_a_button_can_be_held(window: Callable[[], Any]) -> None:
    async with window() as shown:
        mouse, canvas = shown.desktop.mouse, shown.canvas
        await mouse.down(canvas.x + 1, canvas.y + 2, "middle")
        assert await shown.hears() == "press 2 1 2"
        await mouse.move(canvas.x + 30, canvas.y + 40)
        place = await mouse.up(button="middle")
        assert (place.x, place.y) == (canvas.x + 30, canvas.y + 40)
        assert await shown.hears() == "release 2 30 40"


async def test_the_pointer_stays_on_the_screen(desktop: Callable[[], Any]) -> None:
    async with desktop() as shared:
        place = await shared.mouse.move(-50, 99999)
        assert (place.x, place.y) == (0, 767)
        assert await shared.mouse.get_position() == place


# -- Screen -----------------------------------------------------------------------------------------------------------


async def test_windows_and_displays_are_known(window: Callable[[], Any]) -> None:
    async with window() as shown:
        (display,) = (await shown.desktop.display.get_info()).displays
        assert (display.width, display.height, display.is_active) == (1024, 768, True)
        (found,) = (await shown.desktop.display.get_windows()).windows
        assert (found.title, found.is_active) == ("A window of tests", True)
        assert (found.x, found.y) == shown.button[:2]


async def test_pictures_come_in_formats_and_sizes(window: Callable[[], Any]) -> None:
    async with window() as shown:
        screenshot, canvas = shown.desktop.screenshot, shown.canvas
        small = await screenshot.take_compressed(ScreenshotOptions(format="jpeg", quality=60, scale=0.5))
        assert (small.format, pixels(small).size, small.size_bytes) == ("jpeg", (512, 384), len(small.data))
        assert small.cursor_position is None
        red, green, blue = pixels(small).getpixel(tuple(part // 2 for part in canvas.middle))
        assert red > 200
        assert max(green, blue) < 60
        part = await screenshot.take_compressed_region(
            canvas.region, ScreenshotOptions(fmt="webp", scale=0.5)
        )
        assert part.format == "webp"
        assert pixels(part).size == (canvas.width // 2, canvas.height // 2)
        assert (await screenshot.take_compressed()).format == "png"


async def test_the_cursor_is_drawn_when_asked_for(desktop: Callable[[], Any]) -> None:
    async with desktop() as shared:
        await shared.mouse.move(600, 500)
        shot = await shared.screenshot.take_full_screen(show_cursor=True)
        assert (shot.cursor_position.x, shot.cursor_position.y) == (600, 500)
        assert pixels(shot).getpixel((600, 500)) == RED
        plain = await shared.screenshot.take_full_screen()
        assert pixels(plain).getpixel((600, 500)) != RED
        half = ScreenshotOptions(show_cursor=True, scale=0.5)
        place = (await shared.screenshot.take_compressed(half)).cursor_position
        assert (place.x, place.y) == (300, 250)


async def test_a_picture_shows_itself_in_notebooks_and_saves_itself(
    desktop: Callable[[], Any], tmp_path: Path
) -> None:
    async with desktop() as shared:
        shot = await shared.screenshot.take_region(ScreenshotRegion(x=0, y=0, width=4, height=3))
    shot.save(tmp_path / "shot.png")
    with Image.open(tmp_path / "shot.png") as picture:
        assert picture.size == (4, 3)
    assert shot._repr_mimebundle_(include=None, exclude=None) == {"image/png": shot.screenshot}


@pytest.mark.parametrize(
    "region", [(1000, 0, 25, 10), (0, 768, 1, 1), (-1, 0, 10, 10), (0, 0, 0, 5)], ids=str
)
async def test_a_region_outside_the_screen_is_refused(
    desktop: Callable[[], Any], region: tuple[int, int, int, int]
) -> None:
    async with desktop() as shared:
        with pytest.raises(DaytonaBadRequestError, match="Failed to take region screenshot: "):
            await shared.screenshot.take_region(Area(*region).region)


async def test_unknown_keys_buttons_and_directions_are_refused(desktop: Callable[[], Any]) -> None:
    async with desktop() as shared:
        refused = [
            (shared.keyboard.press("hyper"), "unknown key 'hyper'"),
            (shared.keyboard.press("!"), "give the modifier shift"),
            (shared.keyboard.press("a", ["b"]), "no modifier"),
            (shared.keyboard.hotkey("ctrl+"), "no key"),
            (shared.keyboard.hotkey("ctrl+control"), "named twice"),
            (shared.keyboard.down("nothing"), "unknown key"),
            (shared.keyboard.type("a\tb"), "control character"),
            (shared.mouse.click(1, 1, "side"), "unknown button 'side'"),
            (shared.mouse.click(1, 1, clicks=11), "Invalid click parameters"),
            (shared.mouse.scroll(1, 1, "in"), "unknown direction 'in'"),
        ]
        for call, message in refused:
            with pytest.raises(DaytonaBadRequestError, match=message):
                await call


# -- Recordings -------------------------------------------------------------------------------------------------------


async def test_a_film_is_a_playable_file_of_the_right_length(
    box: Callable[[], Any], desktop_id: str, tmp_path: Path
) -> None:
    async with box() as sandbox:
        recording = sandbox.computer_use.recording
        film = await recording.start("a film")
        assert (film.status, "a film" in film.file_name) == ("recording", True)
        await sandbox.process.exec("sleep 1")
        assert film.id in [each.id for each in (await recording.list()).recordings]
        with pytest.raises(DaytonaRecordingStillActiveError):
            await recording.delete(film.id)
        done = await recording.stop(film.id)
        assert done.status == "completed"
        assert await recording.get(film.id) == done
        await recording.download(film.id, str(tmp_path / "new" / "film.mp4"))
        file = tmp_path / "new" / "film.mp4"
        assert file.stat().st_size == done.size_bytes
        assert [path.name for path in file.parent.iterdir()] == ["film.mp4"]
        width, height, seconds = probe(file)
        assert (width, height) == (1024, 768)
        assert seconds >= 1
        assert abs(seconds - done.duration_seconds) < 0.5
        await recording.delete(film.id)
        for call in (recording.get, recording.stop, recording.delete):
            with pytest.raises(DaytonaNotFoundError):
                await call(film.id)
        with pytest.raises(DaytonaNotFoundError):
            await recording.download(film.id, str(tmp_path / "none.mp4"))
        assert not (tmp_path / "none.mp4").exists()
        with pytest.raises(DaytonaBadRequestError, match="invalid label"):
            await recording.start("../x")


def probe(file: Path) -> tuple[int, int, float]:
    """Return a film's width, height and length."""
    entries = "stream=width,height:format=duration"
    command = ["ffprobe", "-v", "error", "-show_entries", entries, "-of", "csv=p=0", str(file)]
    shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    width, height, seconds = shown.replace("\n", ",").strip(",").split(",")
    return int(width), int(height), float(seconds)


# -- Accessibility ----------------------------------------------------------------------------------------------------


async def test_a_window_can_be_read_and_used_by_name(window: Callable[[], Any]) -> None:
    async with window() as shown:
        names = shown.desktop.accessibility
        (button,) = (await names.find_nodes(role="push button", name="Press me", name_match="exact")).matches
        assert button.bounds.to_dict() == shown.button._asdict()
        assert "sensitive" in button.states
        await names.invoke_node(button.id)
        assert await shown.hears() == "clicked"
        (entry,) = (await names.find_nodes(name="^What", name_match="regex", states=["editable"])).matches
        await names.set_node_value(entry.id, "by name")
        await names.focus_node(entry.id)
        await shown.desktop.keyboard.press("enter")
        assert await shown.hears() == "said by name"


async def test_the_tree_has_what_the_window_shows(window: Callable[[], Any]) -> None:
    async with window() as shown:
        names = shown.desktop.accessibility
        root = (await names.get_tree()).root
        (frame,) = root.children
        assert (frame.role, frame.name) == ("frame", "A window of tests")
        assert (await names.get_tree("all", max_depth=0)).root.children
        assert (await names.get_tree(max_depth=0)).root.children is None
        with pytest.raises(DaytonaBadRequestError, match="scope"):
            await names.get_tree("everything")
        with pytest.raises(DaytonaNotFoundError):
            await names.get_tree("pid", 1)
        with pytest.raises(DaytonaNotFoundError):
            await names.invoke_node(":1.999:/none")
        with pytest.raises(DaytonaBadRequestError, match="has no action 'fly'"):
            await names.invoke_node(frame.id, "fly")


# -- Life -------------------------------------------------------------------------------------------------------------


async def test_a_desktop_starts_on_demand_and_leaves_nothing(
    connect: Callable[[], Any], platform: Platform, unique: str
) -> None:
    sandbox_id = platform.create(name=unique)["id"]
    async with connect() as daytona:
        sandbox = await daytona.get(sandbox_id)
        desktop = sandbox.computer_use
        assert (await desktop.get_status()).status == "inactive"
        with pytest.raises(DaytonaBadRequestError, match="does not run"):
            await desktop.stop()
        with pytest.raises(DaytonaBadRequestError, match=r"computer_use\.start"):
            await desktop.screenshot.take_full_screen()
        with pytest.raises(DaytonaA11yUnavailableError):
            await desktop.accessibility.get_tree()
        first = (await desktop.start()).status["xvfb"]
        assert (first.running, first.auto_restart) == (True, True)
        assert (await desktop.start()).status["xvfb"].pid == first.pid
        assert (await desktop.get_status()).status == "active"
        await uses_its_programs(desktop)
        stopped = await desktop.stop()
        assert not any(program.running for program in stopped.status.values())
        assert (await desktop.get_status()).status == "inactive"
        assert (await sandbox.process.exec("ls /tmp/.X11-unix")).result == ""
        await desktop.start()
        await daytona.delete(sandbox)


async def test_a_desktop_that_crashed_is_started_again(
    connect: Callable[[], Any], platform: Platform, unique: str
) -> None:
    sandbox_id = platform.create(name=unique)["id"]
    async with connect() as daytona:
        sandbox = await daytona.get(sandbox_id)
        desktop = sandbox.computer_use
        first = (await desktop.start()).status["xvfb"].pid
        await sandbox.process.exec(f"kill -9 {first}; while kill -0 {first}; do sleep 0.05; done")
        for name in ("Xvfb", "openbox"):
            waiting = f"until grep -qx {name} /proc/[0-9]*/comm; do sleep 0.05; done 2>/dev/null"
            await sandbox.process.exec(waiting, timeout=20)
        second = (await desktop.start()).status["xvfb"]
        assert second.running
        assert second.pid != first
        await daytona.delete(sandbox)


async def uses_its_programs(desktop: Any) -> None:
    """Look at the programs of a desktop one by one."""
    assert (await desktop.get_process_status("xfce4")).running is True
    assert (await desktop.get_process_logs("xvfb")).process_name == "xvfb"
    assert isinstance((await desktop.get_process_errors("xvfb")).errors, str)
    assert "restarted" in (await desktop.restart_process("xfce4")).message
    with pytest.raises(DaytonaServiceUnavailableError, match="not found"):
        await desktop.get_process_status("emacs")
    with pytest.raises(DaytonaBadRequestError, match="not found"):
        await desktop.restart_process("emacs")


async def test_a_missing_program_is_named_with_its_package(
    connect: Callable[[], Any], platform: Platform, unique: str
) -> None:
    sandbox_id = platform.create(name=unique, env={"PATH": "/nowhere"})["id"]
    async with connect() as daytona:
        sandbox = await daytona.get(sandbox_id)
        with pytest.raises(DaytonaServiceUnavailableError, match="apt-get install xvfb openbox"):
            await sandbox.computer_use.start()
        with pytest.raises(DaytonaServiceUnavailableError, match="apt-get install ffmpeg"):
            await sandbox.computer_use.recording.start()
        await daytona.delete(sandbox)
