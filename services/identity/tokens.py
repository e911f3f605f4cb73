"""What an access token says, whom it is for, and who gets one (RFC 9068)."""

import secrets
import time
from collections.abc import Collection

import msgspec

from chassis.http.shop_identity import ShopIdentity
from chassis.identity.tokens import ALGORITHM, TYPE, Claims
from services.identity.contract import TokenView
from services.identity.settings import IdentitySettings
from services.identity.signing_keys import SigningKeys
from topology import LIT, PROCESSES, find

# The program that people sign in with.
PEOPLE = "valerix"
NAMES = {process.name: process for process in PROCESSES}


def for_people(roles: Collection[str]) -> list[str]:
    """Whom a person may ask: what customers come to, and with another role every process."""
    dashboard = find("dashboard").name
    if set(roles) <= {"shopper"}:
        return [dashboard, *(process.name for process in LIT)]
    return list(NAMES)


def for_service(name: str) -> list[str]:
    """Whom a process asks, as the topology has it."""
    return [find(key).name for key in NAMES[name].calls]


class Mint:
    """Makes access tokens."""

    def __init__(self, keys: SigningKeys, settings: IdentitySettings, shop: ShopIdentity) -> None:
        self._keys, self._settings, self._shop = keys, settings, shop

    async def issue(
        self, subject: str, client: str, roles: Collection[str], audience: list[str], life_s: float
    ) -> TokenView:
        """A token that is good for `life_s` seconds."""
        # Another replica may have withdrawn the key that was today's.
        await self._keys.turn()
        now, life = int(time.time()), int(life_s)
        claims = Claims(
            iss=self._settings.identity_issuer, sub=subject, aud=audience, exp=now + life, iat=now,
            nbf=now, jti=secrets.token_urlsafe(12), client_id=client, roles=sorted(roles),
            shop=await self._shop.id(),
        )  # fmt: skip
        token = self._keys.sign(msgspec.json.encode(claims), {"alg": ALGORITHM, "typ": TYPE})
        return TokenView(access_token=token, token_type="Bearer", expires_in=life)  # noqa: S106
