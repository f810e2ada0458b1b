"""The floor: the bytes of one request over a socket, with nothing made or understood. `raw.py exec COUNT`."""

from __future__ import annotations

import os
import socket
from urllib.parse import urlsplit

from meter import Meter, arguments

REQUEST = (
    b"POST /toolbox/sandbox-0/process/execute HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b'Content-Length: 24\r\n\r\n{"command":"echo hello"}'
)

meter = Meter()
_name, count = arguments()
meter.ready()
with socket.create_connection(("127.0.0.1", urlsplit(os.environ["DAYTONA_API_URL"]).port)) as connection:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with meter.timing(count):
        for _ in range(count):
            connection.sendall(REQUEST)
            connection.recv(65536)
meter.report()
