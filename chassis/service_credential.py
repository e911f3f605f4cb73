"""The credential by which the processes of a shop know each other, and who must show one."""

import hmac
from collections.abc import Mapping

from chassis.settings import Settings

SERVICE_HEADER = "X-Valerix-Service"


class ServiceCredential:
    """What this process shows to the others, and what it accepts from whoever calls it."""

    def __init__(self, settings: Settings) -> None:
        self._known = _credentials(settings)
        self.is_demanded = settings.is_exposed or bool(settings.operator_token)

    @property
    def headers(self) -> dict[str, str]:
        """What goes with every call to another process of the shop; empty without a credential."""
        return {SERVICE_HEADER: self._known[0]} if self._known else {}

    @property
    def is_known(self) -> bool:
        """Whether the processes of this shop have one at all."""
        return bool(self._known)

    def is_shown(self, headers: Mapping[str, str]) -> bool:
        """Whether these headers (names in lower case) carry it."""
        sent = headers.get(SERVICE_HEADER.lower(), "").encode()
        return any(hmac.compare_digest(sent, known.encode()) for known in self._known)

    def secret_of(self, name: str) -> str:
        """What the process of this name shows to get a token of its own; empty without a
        credential."""
        return _secret(self._known[0], f"client {name}") if self._known else ""

    def is_secret_of(self, name: str, shown: str) -> bool:
        """Whether this is the secret of the process of this name."""
        return any(
            hmac.compare_digest(shown.encode(), _secret(known, f"client {name}").encode())
            for known in self._known
        )

    def key_for(self, well_known: str) -> str:
        """The shop's own key in place of one that is in the documents, and so everybody's; that one
        itself without a credential."""
        return _own_key(self._known[0], well_known) if self._known else well_known

    def well_known_of(self, shown: str) -> str:
        """In whose place this key of the shop is; empty where it is none."""
        well_known = shown.rpartition("_")[0]
        is_ours = any(
            hmac.compare_digest(shown.encode(), _own_key(known, well_known).encode())
            for known in self._known
        )
        return well_known if is_ours else ""


def _secret(credential: str, use: str) -> str:
    return hmac.digest(credential.encode(), use.encode(), "sha256").hex()


def _own_key(credential: str, well_known: str) -> str:
    return f"{well_known}_{_secret(credential, f'key {well_known}')}"


def _credentials(settings: Settings) -> list[str]:
    """What is sent first, and what is accepted. A process that only has an operator token derives
    the credential from it, so that all processes with that token agree."""
    known = [each.strip() for each in settings.service_token.split(",") if each.strip()]
    if known or not settings.operator_token:
        return known
    return [hmac.digest(settings.operator_token.encode(), b"service", "sha256").hex()]
