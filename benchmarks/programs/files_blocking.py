"""Files, by either blocking client: `files_blocking.py SCALE`. The name of a remote file is its size in bytes."""

from __future__ import annotations

import os
import tempfile

from meter import SANDBOX, Meter

from daytona import Daytona

MIB = 1 << 20

meter = Meter()
fs = Daytona().get(SANDBOX).fs
size = meter.count(256) * MIB
small = b"x" * MIB
fs.upload_file_stream(small, "warm")
sum(len(piece) for piece in fs.download_file_stream(str(MIB)))

with meter.timing("down", 1):
    received = sum(len(piece) for piece in fs.download_file_stream(str(size)))
assert received == size

with tempfile.TemporaryDirectory() as directory:
    path = os.path.join(directory, "file")
    with meter.timing("to_file", 1):
        fs.download_file(str(size), path)
    assert os.path.getsize(path) == size
    with meter.timing("up", 1):
        fs.upload_file(path, "file")

calls = meter.count(10)
with meter.timing("small_up", calls):
    for _ in range(calls):
        fs.upload_file_stream(small, "small")
meter.report()
