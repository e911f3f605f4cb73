"""Unpacks a compressed body: linear work, bounded in size and in pieces."""

import zlib

from observatory import limits
from observatory.otlp.normalize import Malformed
from observatory.otlp.pieces import TooLarge

# What zlib calls the two: 16 adds gzip's header to the largest window.
_WINDOWS = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
ACCEPTED = tuple(_WINDOWS)


def unpack(body: bytes, encoding: str) -> bytes:
    """The bytes of a body that is gzip (RFC 1952, one or several members) or deflate (RFC 1950).

    Raises `Malformed`, or `TooLarge` once it grows past `limits.UNPACKED_BYTES`."""
    unpacked = bytearray()
    for _ in range(limits.GZIP_MEMBERS):
        member = zlib.decompressobj(wbits=_WINDOWS[encoding])
        try:
            unpacked += member.decompress(body, limits.UNPACKED_BYTES + 1 - len(unpacked))
        except zlib.error:
            raise Malformed(f"the body is not valid {encoding}") from None
        if len(unpacked) > limits.UNPACKED_BYTES:
            raise TooLarge(f"unpacked, the body is over {limits.UNPACKED_BYTES >> 20} MiB")
        if not member.eof:
            raise Malformed(f"the {encoding} ends too early")
        body = member.unused_data
        if not body:
            return bytes(unpacked)
        if encoding != "gzip":
            raise Malformed(f"something follows the end of the {encoding}")
    raise Malformed(f"the body has more than {limits.GZIP_MEMBERS} gzip members")
