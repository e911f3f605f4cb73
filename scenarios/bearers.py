"""The act's own user, a shopper: shows tokens that are good, and others that are not; all are
counted by what was answered."""

import asyncio
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import urlencode

import msgspec

from chassis.http.ask import ask
from chassis.http.operator_auth import bearer
from chassis.http.outbound import Peer
from chassis.identity.tokens import ALGORITHM, TYPE
from scenarios.model import OPEN_LISTS, ShowToken
from scenarios.settings import ScenarioSettings
from scenarios.token_holder import DEADLINE_S, TokenHolder
from services.identity.contract import OAuthError, TokenView, WithdrawKey
from topology import NAMES

_SPENT, _WITHDRAWN = "spent", "withdrawn"
# What a key is believed for after its withdrawal, beside the time that services keep keys.
_LATE_S, _LOOK_S = 3.0, 0.5
_LET_IN, _BAD_TOKEN = "let_in", "bad_token"
_LABELS = {"bad-token": _BAD_TOKEN, "role-missing": "role_missing"}


class TokenBearer:
    """Somebody who shows tokens in one act; `responses` counts what they were told."""

    labels = (_LET_IN, _BAD_TOKEN, "role_missing", "invalid_grant", "unclear")

    def __init__(self, settings: ScenarioSettings, peers: Mapping[str, Peer]) -> None:
        self._settings = settings
        self._shopper = TokenHolder(settings, peers, named="act")
        self._withdrawn = ""
        self._refresh = self._spent = ""
        self.responses = dict.fromkeys(self.labels, 0)

    async def show(self, shown: ShowToken) -> None:
        """One after the other; raises `ActionFailed` where there is no token to begin with."""
        if shown.token not in _MADE:
            for _ in range(shown.count):
                self.responses[await self._ask_for_others(by_spent=shown.token == _SPENT)] += 1
            return
        name, url = NAMES[shown.service], self._settings.urls[shown.service]
        # As anybody would come: without the credential of the shop's own processes.
        peer = Peer(name, url, self._settings, connections=1)

        async def ask_with(token: str) -> str:
            path = OPEN_LISTS[shown.service]
            found = await peer.call("GET", path, route=path, headers=bearer(token))
            is_let_in = 200 <= found.status < 300
            return _LET_IN if is_let_in else _LABELS.get(found.code, "unclear")

        try:
            token = _MADE[shown.token](await self._good_or_withdrawn(shown.token))
            if shown.token == _WITHDRAWN:
                await self._until_refused(ask_with, token)
            for _ in range(shown.count):
                self.responses[await ask_with(token)] += 1
        finally:
            await peer.close()

    async def _good_or_withdrawn(self, kind: str) -> str:
        if kind != _WITHDRAWN:
            return await self._shopper.token()
        if not self._withdrawn:
            self._withdrawn = await self._shopper.token()
            self._shopper.forget()
            header = msgspec.json.decode(_decoded(self._withdrawn.split(".")[0]))
            path, body = "/signing-keys/{kid}/withdraw", WithdrawKey("an act: it was stolen")
            await self._shopper.ask(path.format(**header), body, 200, route=path)
        return self._withdrawn

    async def _until_refused(self, ask_with: Callable[[str], Awaitable[str]], token: str) -> None:
        """Look, uncounted, until the service has fetched its keys, no longer than that takes."""
        end = time.monotonic() + self._settings.identity_keys_every_s + _LATE_S
        while time.monotonic() < end:
            if await ask_with(token) == _BAD_TOKEN:
                return
            await asyncio.sleep(_LOOK_S)

    async def _ask_for_others(self, by_spent: bool) -> str:
        """Show a refresh token, the newest or one that is spent; what was answered."""
        if not self._refresh:
            self._refresh = (await self._shopper.log_in()).refresh_token or ""
        if by_spent and not self._spent:
            await self._ask_for_others(by_spent=False)
        token = self._spent if by_spent else self._refresh
        status, body = await self._post_form(token)
        try:
            if status == 200:
                view = msgspec.json.decode(body, type=TokenView)
                self._spent, self._refresh = token, view.refresh_token or ""
                return _LET_IN
            error = msgspec.json.decode(body, type=OAuthError).error
        except msgspec.MsgspecError:
            return "unclear"
        return error if error in self.labels else "unclear"

    async def _post_form(self, token: str) -> tuple[int, bytes]:
        form = {"grant_type": "refresh_token", "refresh_token": token}
        try:
            return await asyncio.to_thread(
                ask, "POST", f"{self._settings.urls['identity']}/oauth2/token",
                {"Content-Type": "application/x-www-form-urlencoded"},
                body=urlencode(form).encode(), timeout_s=DEADLINE_S,
            )  # fmt: skip
        except OSError:
            return 0, b""


def _of_other_key(token: str) -> str:
    """The same claims, signed with a key that is as good as any and is not published."""
    from joserfc import jws
    from joserfc.jwk import ECKey

    key = ECKey.generate_key("P-256")
    header = {"alg": ALGORITHM, "typ": TYPE, "kid": key.thumbprint()}
    return jws.serialize_compact(header, _payload(token), key, algorithms=[ALGORITHM])


def _of_admin(token: str) -> str:
    """The same token, with the role of an admin written into it."""
    head, _, signature = token.split(".")
    claims = msgspec.json.encode({**msgspec.json.decode(_payload(token)), "roles": ["admin"]})
    return f"{head}.{urlsafe_b64encode(claims).rstrip(b'=').decode()}.{signature}"


def _payload(token: str) -> bytes:
    return _decoded(token.split(".")[1])


def _decoded(part: str) -> bytes:
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))


_MADE: Mapping[str, Callable[[str], str]] = {
    "good": str,
    _WITHDRAWN: str,
    "other_key": _of_other_key,
    "forged_role": _of_admin,
}
