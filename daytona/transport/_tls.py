"""TLS over any stream: `ssl` as a sans-IO machine, so that three drivers need no TLS of their own."""

from __future__ import annotations

import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeVar

from ..protocols.certificates import issuer_of
from ._deadline import now, until

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator

    from ._driver import Stream

__all__ = ["CertificateError", "TLSStream", "default_context", "issuer_seen"]

CertificateError = ssl.SSLCertVerificationError

T = TypeVar("T")

RECORD_SIZE: Final = 16 * 1024
"""The most that one record holds, and that the machine decrypts at once."""
READ_SIZE: Final = 256 * 1024
"""How much of what is encrypted is asked for at once."""
WRITE_SIZE: Final = 64 * 1024

_WANT_CERTIFICATE: Final = (
    "TLSV13_ALERT_CERTIFICATE_REQUIRED",
    "TLSV1_ALERT_UNKNOWN_CA",
    "SSLV3_ALERT_BAD_CERTIFICATE",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
)
"""Alerts that a server sends about the client's certificate."""


def default_context(ca_file: str | os.PathLike[str] | None = None) -> ssl.SSLContext:
    """Return a context that speaks HTTP/1.1 and trusts what *ca_file* holds, or else what the system trusts."""
    context = ssl.create_default_context(cafile=ca_file)
    context.set_alpn_protocols(["http/1.1"])
    return context


async def issuer_seen(stream: Stream, host: str, timeout: float | None) -> str | None:
    """Return who issued the certificate at the other end of *stream*, whoever that is.

    Nothing is sent through it but the handshake: what the answer is good for is an error message.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    secured = await TLSStream.over(stream, context, host, timeout)
    try:
        return issuer_of(secured.peer_certificate or b"") or None
    except ValueError:
        return None


class TLSStream:
    """The plain text of a connection: an encrypted stream's inside."""

    def __init__(self, stream: Stream, context: ssl.SSLContext, host: str) -> None:
        self._stream = stream
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._machine = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._failure: ssl.SSLError | None = None

    @classmethod
    async def over(
        cls, stream: Stream, context: ssl.SSLContext, host: str, timeout: float | None = None
    ) -> TLSStream:
        """Return *stream* secured for *host*; it is closed when the handshake fails."""
        secured = cls(stream, context, host)
        try:
            await secured._advance(secured._machine.do_handshake, timeout)
        except BaseException:
            stream.close()
            raise
        return secured

    @property
    def peer_certificate(self) -> bytes | None:
        """The certificate that the server showed, in DER."""
        return self._machine.getpeercert(binary_form=True)

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return what has arrived, at least one byte; `b""` when the peer has closed."""
        try:
            data = await self._advance(lambda: self._decrypt(min(max_bytes, RECORD_SIZE)), timeout)
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""
        return data if len(data) < RECORD_SIZE else b"".join([data, *self._more(max_bytes - len(data))])

    def _decrypt(self, most: int) -> bytes:
        if self._failure is not None:
            raise self._failure
        return self._machine.read(most)

    def _more(self, most: int) -> Iterator[bytes]:
        """Yield what the records hold that have arrived with a full one: a read for each took longer than decrypting it."""
        try:
            while most and (data := self._machine.read(min(most, RECORD_SIZE))):
                most -= len(data)
                yield data
        except (ssl.SSLWantReadError, ssl.SSLZeroReturnError, ssl.SSLEOFError):
            pass
        except ssl.SSLError as error:
            # What came before it is good. OpenSSL tells of a failure once, and from then on of the end of the stream.
            self._failure = error

    def try_write(self, buffer: bytes) -> int:
        """Send nothing: of a record that was sent in part, the rest could not be left to others."""
        return 0

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all of *buffer*."""
        view = memoryview(buffer)
        while view:
            piece = view[:WRITE_SIZE]
            sent = await self._advance(lambda piece=piece: self._machine.write(piece), timeout)  # type: ignore[misc]
            view = view[sent:]

    def is_stale(self) -> bool:
        """Return whether the connection below has become useless."""
        return self._stream.is_stale()

    def close(self) -> None:
        """Close the connection below, at once."""
        self._stream.close()

    async def _advance(self, act: Callable[[], T], timeout: float | None) -> T:
        """Return what *act* returns, moving bytes between the machine and the stream until it can."""
        expiry = None if timeout is None else now() + timeout
        while True:
            try:
                result = act()
            except ssl.SSLWantReadError:
                await self._flush(until(expiry))
                data = await self._stream.read(READ_SIZE, until(expiry))
                self._incoming.write(data) if data else self._incoming.write_eof()
                continue
            except ssl.SSLError as error:
                with suppress(OSError):  # the peer may have gone, and what it did is the better error
                    await self._flush(until(expiry))  # the alert that tells it why
                if error.reason in _WANT_CERTIFICATE:
                    raise OSError(
                        f"the server wants a certificate of ours that it trusts ({error.reason}): pass "
                        "DaytonaConfig(client_cert=...)"
                    ) from error
                raise
            await self._flush(until(expiry))
            return result

    async def _flush(self, timeout: float | None) -> None:
        if data := self._outgoing.read():
            await self._stream.write(data, timeout)
