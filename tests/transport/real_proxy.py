"""A real proxy and the end of TLS, in a process of their own: `pproxy`, and names that only the proxy can resolve.

Run as a program it prints the ports of its listeners, one JSON line, and ends with its standard input. One listener
takes HTTP and SOCKS proxy requests, one the same inside TLS, one is the https server of `HOST`, which hands everything on
to *target*.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Generator

HOST = "sandboxes.test"
USER, PASSWORD = "someone", "s3cret:&"


class RealProxy(NamedTuple):
    """Where the parts listen, and what has been asked of the proxy."""

    port: int
    tls_port: int
    https_port: int
    log: Path

    def url(self, scheme: str, login: str = "someone:s3cret%3A%26@") -> str:
        """Return the URL to use as `proxy=`."""
        return f"{scheme}://{login}127.0.0.1:{self.tls_port if scheme == 'https' else self.port}"

    def tunnels(self) -> list[str]:
        """Return the destinations of all tunnels so far."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [line.partition(" -> ")[2] for line in lines if " -> " in line]


@contextmanager
def running_proxy(directory: Path, target: int) -> Generator[RealProxy]:
    """Run the program; *directory* holds the certificates and gets the log."""
    log = directory / "proxy.log"
    command = [sys.executable, __file__, str(directory), str(target), str(log)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            ports: dict[str, int] = json.loads(process.stdout.readline())
            yield RealProxy(log=log, **ports)
        finally:
            process.stdin.close()


class NamedLoop(asyncio.SelectorEventLoop):
    """A loop that knows the name of the server, as the resolver of a company's proxy does."""

    async def getaddrinfo(self, host: Any, port: Any, **details: Any) -> Any:
        return await super().getaddrinfo("127.0.0.1" if host == HOST else host, port, **details)


async def serve(directory: Path, target: int, log: Path) -> None:
    import pproxy

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "server.pem", directory / "server.key")

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        onward, back = await asyncio.open_connection("127.0.0.1", target)
        await asyncio.gather(pump(reader, back), pump(onward, writer))

    def note(line: str) -> None:
        with log.open("a") as file:
            file.write(line + "\n")

    # authtime: otherwise whoever has logged in once from an address is let in without a password.
    arguments = {"rserver": [], "verbose": note, "authtime": -1}
    make: Any = pproxy.Server  # returns one kind of proxy for each kind of address
    plain = await make(f"http+socks5://127.0.0.1:0#{USER}:{PASSWORD}").start_server(arguments)
    secure = make(f"http+ssl://127.0.0.1:0#{USER}:{PASSWORD}")
    for made in pproxy.server.sslcontexts:
        made.load_cert_chain(directory / "server.pem", directory / "server.key")
    encrypted = await secure.start_server(arguments)
    https = await asyncio.start_server(forward, "127.0.0.1", 0, ssl=context)
    servers = {"port": plain, "tls_port": encrypted, "https_port": https}
    print(json.dumps({name: one.sockets[0].getsockname()[1] for name, one in servers.items()}), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=NamedLoop) as runner:
        runner.run(serve(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])))
