"""What the dashboard needs of whoever knows people: their tokens for a password, others in time,
an end to them; and, as every process does, the keys that tokens are signed with."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from urllib.parse import urlencode

from joserfc.jwk import ECKey

from chassis.identity.keys import PATH, PublishedKeys
from fleet.settings import load
from frontend.web.person_tokens import PersonTokens, SignedOut, TokenIssuer
from services.identity.settings import DEMO_USERS
from tests.contracts.matching import match
from tests.contracts.need import FORM, JSON, At, Need, id_of

USER = "ada"
WHO = (USER, (DEMO_USERS[USER],))
KNOWN = {"user": USER, "password": load("identity", {}).identity_demo_password}
_PART = r"[A-Za-z0-9_-]+"
# The key of RFC 7515, A.3.
_KEY = {
    "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
}  # fmt: skip
_KID = ECKey.import_key(_KEY).thumbprint()


def of_identity() -> Iterator[Need]:
    """To log in, to stay so, to log out; and the keys."""
    yield _log_in("log in", KNOWN["password"], 200, WHO)
    yield _log_in("log in by a guess", "x", 401, None)
    yield _renew("show a refresh token", "somebody has logged in", 200, WHO)
    yield _renew("show a refresh token that is spent", "it was shown before", 400, SignedOut)
    yield _revoke()
    yield _read_keys()


def refresh_token(what: str) -> str:
    """The one that this need is about."""
    return f"rt_{id_of(what)}"


def _issued() -> dict[str, object]:
    payload = json.dumps({"sub": WHO[0], "roles": WHO[1]}).encode()
    token = f"eyJ.{urlsafe_b64encode(payload).rstrip(b'=').decode()}.x"
    return {
        "access_token": match.regex(token, regex=rf"{_PART}\.{_PART}\.{_PART}"),
        "token_type": "Bearer", "expires_in": match.int(300),
        "refresh_token": match.regex("rt_x", regex="rt_.+"),
    }  # fmt: skip


def _who(tokens: PersonTokens | None) -> object:
    return tokens and (tokens.subject, tokens.roles)


def _log_in(what: str, password: str, status: int, known: object) -> Need:
    async def ask(at: At) -> object:
        return _who(await TokenIssuer(at.peer, at.url).log_in(USER, password))

    return Need(what, "", ask, known, "POST", "/login", status,
                _issued() if status == 200 else None, KNOWN | {"password": password})  # fmt: skip


def _renew(what: str, state: str, status: int, known: object) -> Need:
    token = refresh_token(what)

    async def ask(at: At) -> object:
        before = PersonTokens(*WHO, access="", refresh=token, until=0.0)
        try:
            return _who(await TokenIssuer(at.peer, at.url).renew(before))
        except SignedOut:
            return SignedOut

    form = {"grant_type": "refresh_token", "refresh_token": token}
    return Need(what, state, ask, known, "POST", "/oauth2/token", status,
                _issued() if status == 200 else None, urlencode(form),
                {"refresh_token": token}, kind=FORM, text=JSON)  # fmt: skip


def _revoke() -> Need:
    what = "log out"
    token = refresh_token(what)

    async def ask(at: At) -> None:
        await TokenIssuer(at.peer, at.url).revoke(PersonTokens(*WHO, "", token, 0.0))

    return Need(what, "somebody has logged in", ask, None, "POST", "/oauth2/revoke", 200,
                body=urlencode({"token": token}), given={"refresh_token": token},
                kind=FORM)  # fmt: skip


def _read_keys() -> Need:
    """With the code of every process: this one asks in the name of all."""

    async def ask(at: At) -> list[str]:
        keys = PublishedKeys(at.url, every_s=60.0)
        await keys.look_again()
        return list(keys.now())

    key = {
        name: match.regex(value, regex="[A-Za-z0-9_-]{43}" if len(value) == 43 else value)
        for name, value in {**_KEY, "kid": _KID}.items()
    }
    return Need("read the keys of tokens", "", ask, [_KID], "GET", PATH, 200,
                {"keys": match.each_like(key)})  # fmt: skip
