"""How OpenTelemetry's exporter over HTTP reaches the collector: where it may go, what it hears."""

from typing import Any

import requests
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from chassis.telemetry.batch_queue import NotDelivered
from chassis.telemetry.otlp_replies import replies


class CollectorSession(requests.Session):
    """Obeys the proxy variables for what is not local; a redirect is a failed send."""

    def __init__(self, is_local: bool) -> None:
        super().__init__()
        self._is_local = is_local
        # Otherwise a password of ~/.netrc would go along, and take the place of the given header.
        self.auth = _as_it_is
        self.hooks["response"].append(_hear)

    def merge_environment_settings(self, *given: Any, **named: Any) -> Any:
        """What the environment says: certificates always, proxies unless it is local."""
        found = super().merge_environment_settings(*given, **named)
        if self._is_local:
            found["proxies"] = {}
        return found


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _hear(response: requests.Response, **_: Any) -> None:
    # Followed, it would hand the headers, a key among them, to whoever it names.
    if 300 <= response.status_code < 400:
        response.close()
        raise NotDelivered(f"a redirect ({response.status_code}) is not followed")
    if not response.ok:
        return
    # The responses for traces and for logs differ in their names only: their bytes are equal.
    try:
        replies.note(ExportTraceServiceResponse.FromString(response.content))
    except DecodeError:
        # Accepted is what the status says.
        return
