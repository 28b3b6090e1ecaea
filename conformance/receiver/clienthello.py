"""Octets of a client's first flight -> what it offers: the TLS ClientHello (RFC 8446 section 4.1.2)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib.resources import files

from conformance.receiver.capture import ClientHello

LARGEST = 64 * 1024
"""Octets of records that are looked at."""

VERSIONS = {0x0304: "TLSv1.3", 0x0303: "TLSv1.2", 0x0302: "TLSv1.1", 0x0301: "TLSv1", 0x0300: "SSLv3"}
GROUPS = {
    23: "secp256r1",
    24: "secp384r1",
    25: "secp521r1",
    26: "brainpoolP256r1",
    27: "brainpoolP384r1",
    28: "brainpoolP512r1",
    29: "x25519",
    30: "x448",
    256: "ffdhe2048",
    257: "ffdhe3072",
    258: "ffdhe4096",
    259: "ffdhe6144",
    260: "ffdhe8192",
    512: "MLKEM512",
    513: "MLKEM768",
    514: "MLKEM1024",
    4587: "SecP256r1MLKEM768",
    4588: "X25519MLKEM768",
    4589: "SecP384r1MLKEM1024",
}

_HANDSHAKE = 22
_CLIENT_HELLO, _SERVER_HELLO = 1, 2
_SERVER_NAME, _SUPPORTED_GROUPS, _ALPN, _SUPPORTED_VERSIONS = 0, 10, 16, 43


class ClientHelloError(ValueError):
    """The octets are no ClientHello of SSL 3.0 or later."""


class _Reader:
    """Reads numbers and vectors (RFC 8446 section 3.4). Raises ClientHelloError where the octets end too soon."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets
        self._place = 0

    def __bool__(self) -> bool:
        return self._place < len(self._octets)

    def take(self, count: int) -> bytes:
        taken = self._octets[self._place : self._place + count]
        if len(taken) < count:
            raise ClientHelloError("a length points beyond the end")
        self._place += count
        return taken

    def number(self, width: int) -> int:
        return int.from_bytes(self.take(width))

    def vector(self, width: int) -> _Reader:
        return _Reader(self.take(self.number(width)))

    def numbers(self) -> Iterator[int]:
        """Yield the 16-bit numbers that are left, without those that are there to keep servers honest (RFC 8701)."""
        while self:
            number = self.number(2)
            if not (number & 0x0F0F == 0x0A0A and number >> 8 == number & 0xFF):
                yield number


def read_client_hello(octets: bytes) -> ClientHello | None:
    """Return what a client offers; None while the octets are the beginning of a ClientHello.

    Raises ClientHelloError when they are none.
    """
    body = _handshake_body(octets[:LARGEST])
    return None if body is None else _client_hello(_Reader(body))


def chosen_cipher(octets: bytes) -> str:
    """Return the cipher suite of a ServerHello (RFC 8446 section 4.1.3) by its name in the registry; empty: none."""
    try:
        reader = _Reader(_handshake_body(octets, _SERVER_HELLO) or b"")
        reader.take(34)
        reader.vector(1)
        return _cipher(reader.number(2))
    except ClientHelloError:
        return ""


def _handshake_body(octets: bytes, kind: int = _CLIENT_HELLO) -> bytes | None:
    """Return the body of the first handshake message, put together from its records (RFC 8446 section 5.1)."""
    message = b""
    while True:
        if octets and octets[0] != _HANDSHAKE:
            raise ClientHelloError(f"begins with a record of type {octets[0]}")
        if len(octets) > 1 and octets[1] != 3:
            raise ClientHelloError(f"a record of version {octets[1]}")
        if len(octets) < 5:
            return None
        length = int.from_bytes(octets[3:5])
        if not length:
            raise ClientHelloError("an empty record")
        message += octets[5 : 5 + length]
        if message[:1] not in (b"", bytes([kind])):
            raise ClientHelloError(f"a handshake message of type {message[0]}")
        wanted = 4 + int.from_bytes(message[1:4])
        if len(message) >= 4 and wanted > LARGEST:
            raise ClientHelloError(f"{wanted} octets long")
        if len(message) >= 4 and len(message) >= wanted:
            return message[4:wanted]
        octets = octets[5 + length :]


def _client_hello(reader: _Reader) -> ClientHello:
    version = reader.number(2)
    reader.take(32)
    reader.vector(1)
    ciphers = tuple(_cipher(number) for number in reader.vector(2).numbers())
    reader.vector(1)
    extensions: dict[int, _Reader] = {}
    if reader:
        rest = reader.vector(2)
        while rest:
            kind = rest.number(2)
            extensions[kind] = rest.vector(2)
    versions: tuple[int, ...] = (version,)
    if _SUPPORTED_VERSIONS in extensions:
        versions = tuple(extensions[_SUPPORTED_VERSIONS].vector(1).numbers())
    groups = extensions[_SUPPORTED_GROUPS].vector(2).numbers() if _SUPPORTED_GROUPS in extensions else ()
    return ClientHello(
        versions=tuple(VERSIONS.get(number, f"0x{number:04X}") for number in versions),
        ciphers=ciphers,
        sni=_server_name(extensions[_SERVER_NAME]) if _SERVER_NAME in extensions else "",
        groups=tuple(GROUPS.get(number, f"0x{number:04X}") for number in groups),
        alpn=tuple(_protocols(extensions[_ALPN])) if _ALPN in extensions else (),
    )


def _server_name(reader: _Reader) -> str:
    """Return the host name (RFC 6066 section 3); empty where there is none."""
    names = reader.vector(2) if reader else reader
    while names:
        kind, name = names.number(1), names.take(names.number(2))
        if kind == 0:
            return name.decode("latin-1")
    return ""


def _protocols(reader: _Reader) -> Iterator[str]:
    names = reader.vector(2)
    while names:
        yield names.take(names.number(1)).decode("latin-1")


@cache
def _cipher_names() -> dict[int, str]:
    text = files("conformance.receiver").joinpath("ciphersuites.tsv").read_text("ascii")
    return {int(number, 16): name for number, _, name in (row.partition("\t") for row in text.splitlines())}


def _cipher(number: int) -> str:
    return _cipher_names().get(number, f"0x{number:04X}")
