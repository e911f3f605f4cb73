"""The standard OTEL_ variables that decide what is sent, where to and under which name.

How it is sent (headers, timeout, compression, certificates) the official exporter reads itself.
Source: OpenTelemetry specification, "Environment Variables" and "Protocol Exporter"."""

from collections.abc import Mapping
from typing import Self
from urllib.parse import unquote

import msgspec

from chassis.telemetry.sampling import DEFAULT_SAMPLER, SAMPLERS

_ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
_TRACES_ENDPOINT = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
_LOGS_ENDPOINT = "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT"
_PROTOCOL = "OTEL_EXPORTER_OTLP_PROTOCOL"
GRPC, HTTP = "grpc", "http/protobuf"


class OtelVariables(msgspec.Struct, frozen=True, kw_only=True):
    """Their values; an empty endpoint: nobody named one, so that signal is not sent."""

    disabled: bool = False
    service_name: str = ""
    resource_attributes: dict[str, str] = {}
    traces_endpoint: str = ""
    logs_endpoint: str = ""
    traces_protocol: str = HTTP
    logs_protocol: str = HTTP
    sampler: str = DEFAULT_SAMPLER
    sampler_ratio: float = 1.0
    # One line for each value that means nothing; the specification asks to warn and go on.
    warnings: tuple[str, ...] = ()

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Self:
        """What the environment says."""
        reader = _Reader(environ)
        attributes = reader.attributes()
        attributed = attributes.pop("service.name", "")
        return cls(
            disabled=reader.get("OTEL_SDK_DISABLED").lower() == "true",
            service_name=reader.get("OTEL_SERVICE_NAME") or attributed,
            resource_attributes=attributes,
            traces_endpoint=reader.get(_TRACES_ENDPOINT, _ENDPOINT),
            logs_endpoint=reader.get(_LOGS_ENDPOINT, _ENDPOINT),
            traces_protocol=reader.protocol("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"),
            logs_protocol=reader.protocol("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL"),
            sampler=reader.sampler(),
            sampler_ratio=reader.sampler_ratio(),
            warnings=tuple(dict.fromkeys(reader.warnings)),
        )

    def without_endpoints(self) -> Self:
        """The same without the endpoints: VALERIX_OTLP_ENDPOINT names another, or none."""
        return msgspec.structs.replace(self, traces_endpoint="", logs_endpoint="")


class _Reader:
    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.warnings: list[str] = []

    def get(self, *names: str) -> str:
        """The first that is not empty."""
        found = (self._environ.get(name, "").strip() for name in names)
        return next((value for value in found if value), "")

    def protocol(self, name: str) -> str:
        protocol = self.get(name, _PROTOCOL) or HTTP
        if protocol in (GRPC, HTTP):
            return protocol
        own = name if self.get(name) else _PROTOCOL
        return self._instead(own, protocol, HTTP)

    def sampler(self) -> str:
        name = "OTEL_TRACES_SAMPLER"
        sampler = self.get(name) or DEFAULT_SAMPLER
        return sampler if sampler in SAMPLERS else self._instead(name, sampler, DEFAULT_SAMPLER)

    def sampler_ratio(self) -> float:
        name = "OTEL_TRACES_SAMPLER_ARG"
        given = self.get(name) or "1"
        try:
            ratio = float(given)
        except ValueError:
            ratio = -1
        return ratio if 0 <= ratio <= 1 else float(self._instead(name, given, "1.0"))

    def attributes(self) -> dict[str, str]:
        name = "OTEL_RESOURCE_ATTRIBUTES"
        given = self.get(name)
        pairs = [pair.partition("=") for pair in given.split(",") if pair.strip()]
        if not all(equals and key.strip() for key, equals, _ in pairs):
            # The specification: on any error the whole value is discarded.
            self.warnings.append(f"{name}={given!r} is ignored: write key=value,key=value")
            return {}
        return {unquote(key.strip()): unquote(value.strip()) for key, _, value in pairs}

    def _instead(self, name: str, given: str, used: str) -> str:
        self.warnings.append(f"{name}={given!r} is ignored: it is not known here; {used} is used")
        return used
