"""A gRPC server on a port: what the library needs to be asked, and what it says in its own way."""

import socket
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote

import grpc
from grpc import aio

STATUS = {code.value[0]: code for code in grpc.StatusCode}


def new_server(*, longest: int, at_once: int, more: Iterable[tuple[str, Any]] = ()) -> Any:
    """A server that takes messages of at most `longest` bytes, `at_once` of one connection."""
    options = (
        ("grpc.max_receive_message_length", longest),
        # The library unpacks without a bound, so it does not.
        ("grpc.per_message_decompression", 0),
        # Two servers on one port would each get a part of what is sent.
        ("grpc.so_reuseport", 0),
        # Of one connection; further requests wait in their sender.
        ("grpc.max_concurrent_streams", at_once),
        *more,
    )
    return aio.server(options=options)


def add_port(server: Any, host: str, port: int) -> int:
    """Listen there; the port, which 0 leaves to the system. Raises `OSError` or `RuntimeError`
    where it cannot be had, before the library logs that in its own way."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))
    return int(server.add_insecure_port(f"[{host}]:{port}" if ":" in host else f"{host}:{port}"))


def address_of(peer: str) -> str:
    """The address in what the library calls a peer: ipv4:127.0.0.1:4317, ipv6:%5B::1%5D:4317."""
    return unquote(peer).partition(":")[2].rpartition(":")[0].strip("[]")
