"""A shopper of its own, with a token that is good: who comes in by the gateway needs one."""

import secrets
import time
from collections.abc import Mapping
from typing import Any

import msgspec

from chassis.http.operator_auth import operator_headers
from chassis.http.outbound import Peer, decode
from scenarios.failures import ActionFailed
from scenarios.settings import ScenarioSettings
from services.identity.contract import LogIn, NewUser, TokenView
from topology import NAMES

# A password is hashed on purpose slowly, and others may wait for theirs.
DEADLINE_S = 10.0
# What is shown to be let in is good for as long yet.
_MARGIN_S = 30.0


class TokenHolder:
    """One user of identity, made when first needed; the name begins with `named`."""

    def __init__(
        self, settings: ScenarioSettings, peers: Mapping[str, Peer], *, named: str
    ) -> None:
        self._settings, self._peers, self._named = settings, peers, named
        self._user: LogIn | None = None
        self._access, self._until = "", 0.0

    async def token(self) -> str:
        """An access token that is good for half a minute yet; raises `ActionFailed`."""
        if time.monotonic() > self._until:
            view = await self.log_in()
            self._access = view.access_token
            self._until = time.monotonic() + view.expires_in - _MARGIN_S
        return self._access

    async def log_in(self) -> TokenView:
        """Both tokens anew; raises `ActionFailed`."""
        if self._user is None:
            user = LogIn(f"{self._named}-{secrets.token_hex(8)}", secrets.token_urlsafe(24))
            await self.ask("/users", NewUser(user.user, user.password, ["shopper"]), 201)
            self._user = user
        found: TokenView | None = decode(await self.ask("/login", self._user, 200), TokenView)
        if found is None:
            raise ActionFailed(f"{NAMES['identity']} gives a token that cannot be read")
        return found

    def forget(self) -> None:
        """The token that is held is good no more: the next one is another."""
        self._until = 0.0

    async def ask(self, path: str, body: msgspec.Struct, status: int, *, route: str = "") -> Any:
        """What identity answers its operator; raises `ActionFailed` for another status."""
        found = await self._peers["identity"].call(
            "POST", path, body, route=route or path, deadline_s=DEADLINE_S,
            headers=operator_headers(self._settings),
        )  # fmt: skip
        if found.status != status:
            raise ActionFailed(f"{NAMES['identity']} does not do {path}: {found.code}")
        return found
