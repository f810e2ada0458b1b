"""Commands, a log and a terminal of a sandbox of the embedded platform: `sandbox_streams.py SCALE`.

Beside each number stands its floor: the same done inside the sandbox, with nobody in between.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

from meter import COMMAND, Meter

from daytona import Daytona, SessionExecuteRequest

MIB = 1 << 20
FILE = "/tmp/text"
LINE = b"a line of 64 bytes, as long as lines are in logs of many programs\n"[-64:]
TERMINAL = f"stty raw -echo; echo ready; cat {FILE}; stty echo; echo done; exec sleep 600\n"

meter = Meter()
size = meter.count(16)


def read_log() -> int:
    """Return the size of the log of a command that prints the file."""
    process.create_session("log")
    request = SessionExecuteRequest(command=f"cat {FILE}", run_async=True)
    command = process.execute_session_command("log", request).cmd_id
    received = sum(len(event.data) for event in process.stream_session_command_logs("log", command))
    process.delete_session("log")
    return received


def read_until(word: bytes) -> int:
    """Return how many bytes a terminal shows up to a word, and with it."""
    seen, received = b"", 0
    while word not in seen:
        data = next(output)
        seen, received = seen[-len(word) :] + data, received + len(data)
    return received


with Daytona() as daytona, daytona.create() as sandbox:
    process = sandbox.process
    sandbox.fs.upload_file(LINE * (size * MIB // len(LINE)), FILE)
    sandbox.fs.upload_file(Path(__file__).with_name("inside.py").read_bytes(), "/tmp/inside.py")
    floors = json.loads(process.exec(f"python3 /tmp/inside.py {FILE}", check=True).result)
    meter.seen |= {f"{name}_floor": seconds for name, seconds in floors.items()}

    taken = []
    for _ in range(meter.count(40)):
        begun = time.perf_counter()
        process.exec(COMMAND)
        taken.append(time.perf_counter() - begun)
    meter.note("exec", taken)

    with meter.timing("log", size):
        received = read_log()
    assert received == size * MIB, received

    terminal = process.create_pty_session(id="terminal")
    output = iter(terminal)
    terminal.send_input(TERMINAL)
    read_until(b"ready\n")
    with meter.timing("terminal", size):
        read_until(b"done\n")
    trips = meter.count(500)
    with meter.timing("echo", trips):
        for _ in range(trips):
            terminal.send_input(b"x")
            next(output)
    terminal.disconnect()
meter.report()
