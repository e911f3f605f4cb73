"""The wire format of the echo service."""

import msgspec


class Echo(msgspec.Struct, frozen=True):
    """What was sent."""

    text: str
