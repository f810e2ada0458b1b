"""The floor: the bytes of one request over a socket, with nothing made or understood. `raw.py SCALE`."""

from __future__ import annotations

import os
import socket
from urllib.parse import urlsplit

from meter import Meter

REQUEST = (
    b"POST /toolbox/sandbox-0/process/execute HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b'Content-Length: 24\r\n\r\n{"command":"echo hello"}'
)

meter = Meter()
meter.ready()
with socket.create_connection(("127.0.0.1", urlsplit(os.environ["DAYTONA_API_URL"]).port or 0)) as connection:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    calls = meter.count(1500)
    with meter.timing("exec", calls):
        for _ in range(calls):
            connection.sendall(REQUEST)
            connection.recv(65536)
meter.report()
