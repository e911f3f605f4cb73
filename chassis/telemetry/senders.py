"""Which exporter carries the spans and the lines of log of this process, and under which name."""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec

from chassis import VERSION
from chassis.addresses import is_loopback
from chassis.service_credential import ServiceCredential
from chassis.settings import BadSetting, Settings
from chassis.telemetry import receiver_sender
from chassis.telemetry.batch_queue import Sender
from chassis.telemetry.context import Span
from chassis.telemetry.log_lines import LogLine
from chassis.telemetry.otel_variables import HTTP

# Not one of the standard's: OTLP over HTTP in JSON, with our own exporter.
_RECEIVER = "receiver"


class Destination(msgspec.Struct, frozen=True):
    """Where one signal goes, by which protocol; what `options` leave out, the exporter takes from
    the environment."""

    protocol: str
    address: str
    options: dict[str, Any] = {}

    @property
    def is_local(self) -> bool:
        """Whether it is this machine: no proxy leads there. gRPC's may be written host:port."""
        address = self.address if "://" in self.address else f"//{self.address}"
        return is_loopback(urlsplit(address).hostname or "")


def make_senders(
    settings: Settings, service: str
) -> tuple[Sender[Span] | None, Sender[LogLine] | None]:
    """For spans and for lines of log; None where nobody named an endpoint. Raises `BadSetting`
    where the official exporter refuses what the OTEL_ variables say."""
    otel = settings.otel
    if settings.telemetry == "off" or otel.disabled:
        return None, None
    traces = destination(settings, otel.traces_endpoint, otel.traces_protocol, "/v1/traces")
    logs = destination(settings, otel.logs_endpoint, otel.logs_protocol, "/v1/logs")
    resource = resource_attributes(settings, service)
    with _settings_checked():
        return (
            _span_sender(traces, resource) if traces else None,
            _log_sender(logs, resource) if logs else None,
        )


def destination(settings: Settings, named: str, protocol: str, path: str) -> Destination | None:
    """Of the signal whose own address ends with `path`. VALERIX_OTLP_ENDPOINT wins over the one
    `named` by an OTEL_ variable, and either over the shop's own receiver."""
    headers = _headers(settings.otlp_headers)
    if settings.otlp_endpoint:
        address = settings.otlp_endpoint.rstrip("/") + path
        return Destination(HTTP, address, {"endpoint": address, "headers": headers})
    if named:
        return Destination(protocol, named)
    if settings.otlp_receiver:
        address = settings.otlp_receiver.rstrip("/") + path
        headers = {**headers, **ServiceCredential(settings).headers}
        return Destination(_RECEIVER, address, {"endpoint": address, "headers": headers})
    return None


def _span_sender(to: Destination, resource: dict[str, str | int]) -> Sender[Span]:
    if to.protocol == _RECEIVER:
        return receiver_sender.span_sender(resource, **to.options)
    from chassis.telemetry import otlp_sender

    return otlp_sender.span_sender(to.protocol, resource, is_local=to.is_local, **to.options)


def _log_sender(to: Destination, resource: dict[str, str | int]) -> Sender[LogLine]:
    if to.protocol == _RECEIVER:
        return receiver_sender.log_sender(resource, **to.options)
    from chassis.telemetry import otlp_sender

    return otlp_sender.log_sender(to.protocol, resource, is_local=to.is_local, **to.options)


@contextmanager
def _settings_checked() -> Iterator[None]:
    # It raises what it likes: ValueError for a timeout, a class of its own for a compression.
    try:
        yield
    except Exception as error:
        raise BadSetting(
            f"an OTEL_EXPORTER_OTLP_ variable cannot be used: {type(error).__name__}: {error}"
        ) from error


def resource_attributes(settings: Settings, service: str) -> dict[str, str | int]:
    """The attributes that name the process; OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME win."""
    name = settings.otel.service_name or service
    return {
        "service.name": name,
        "service.version": VERSION,
        "service.instance.id": f"{name}-{time.time_ns():x}",
        "deployment.environment.name": settings.environment,
        "host.name": socket.gethostname(),
        "process.pid": os.getpid(),
        **settings.otel.resource_attributes,
    }


def _headers(headers: str) -> dict[str, str]:
    """Written name=value,name=value as in OTEL_EXPORTER_OTLP_HEADERS."""
    pairs = (each.partition("=") for each in headers.split(",") if each.strip())
    return {name.strip(): unquote(value.strip()) for name, _, value in pairs}
