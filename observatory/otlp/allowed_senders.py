"""Who may send telemetry: where a token is set, processes of the shop and its operator."""

from collections.abc import Mapping

from chassis.http.brake import Brake
from chassis.http.operator_auth import is_operator
from chassis.identity.caller import token_needed
from chassis.service_credential import ServiceCredential
from chassis.settings import Settings


class AllowedSenders:
    """The shop's own processes show their credential, other programs the operator token, which
    OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20TOKEN sends. Without a token, on loopback,
    everybody may send."""

    def __init__(self, settings: Settings, brake: Brake) -> None:
        self._settings, self._brake = settings, brake
        self._credential = ServiceCredential(settings)

    def demand(self, headers: Mapping[str, str], address: str) -> None:
        """Headers, or gRPC's metadata, with names in lower case. Raises `Problem`: 401, or 429 to
        an address that only guesses."""
        if not self._credential.is_demanded or self._credential.is_shown(headers):
            return
        shown = headers.get("authorization")
        if shown and self._brake.attempt(address, lambda: is_operator(shown, self._settings)):
            return
        raise token_needed(
            "Only processes of this shop may send telemetry, and whoever shows its operator token "
            "(OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20...)"
        )
