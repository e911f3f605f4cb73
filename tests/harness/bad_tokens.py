"""Tokens that open nothing: one table, for whatever checks tokens, over HTTP and over gRPC."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import asyncpg
from joserfc import jws
from joserfc.jwk import ECKey

from chassis.identity.tokens import ALGORITHM, TYPE


def b64(raw: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class Forger:
    """Somebody who has even the key of today, and makes whatever token they like."""

    def __init__(self, key: ECKey, audience: str, issuer: str = "http://localhost:5005") -> None:
        """`audience`: names of processes, by spaces."""
        self.key, self.kid = key, key.thumbprint()
        self.audience, self.issuer = audience, issuer

    def claims(self, **changed: Any) -> dict[str, Any]:
        """Good ones, but for what is changed; None leaves a claim out."""
        now = int(time.time())
        usual = {
            "iss": self.issuer, "sub": "ada", "aud": self.audience.split(), "exp": now + 300,
            "iat": now, "nbf": now, "jti": "j", "client_id": "valerix", "roles": ["admin"],
        }  # fmt: skip
        return {name: value for name, value in (usual | changed).items() if value is not None}

    def header(self, **changed: Any) -> dict[str, Any]:
        """A good one, but for what is changed."""
        usual = {"alg": ALGORITHM, "typ": TYPE, "kid": self.kid}
        return {name: value for name, value in (usual | changed).items() if value is not None}

    def good(self, **claims: Any) -> str:
        """A token as identity makes them."""
        return self.signed(json.dumps(self.claims(**claims)))

    def signed(self, payload: str, header: str = "", key: ECKey | None = None) -> str:
        """Any payload under any header, with a signature that fits."""
        head = b64((header or json.dumps(self.header())).encode())
        signed_part = f"{head}.{b64(payload.encode())}"
        return f"{signed_part}.{b64(_signature(signed_part.encode(), key or self.key))}"

    def headed(self, **changed: Any) -> str:
        """Good claims under a header that was changed."""
        return self.signed(json.dumps(self.claims()), json.dumps(self.header(**changed)))


def _signature(signed_part: bytes, key: ECKey) -> bytes:
    return jws.JWSRegistry.algorithms[ALGORITHM].sign(signed_part, key)


def _unsigned(forger: Forger) -> str:
    head = b64(json.dumps(forger.header(alg="none")).encode())
    return f"{head}.{b64(json.dumps(forger.claims()).encode())}."


def _by_public_key(forger: Forger) -> str:
    """HS256, with the public key as the secret that both sides have."""
    head = b64(json.dumps(forger.header(alg="HS256")).encode())
    signed_part = f"{head}.{b64(json.dumps(forger.claims()).encode())}"
    secret = forger.key.as_pem(private=False)
    return f"{signed_part}.{b64(hmac.digest(secret, signed_part.encode(), hashlib.sha256))}"


def _own_key(forger: Forger) -> str:
    own = ECKey.generate_key("P-256")
    header = forger.header(kid=own.thumbprint(), jwk=own.as_dict(private=False))
    return forger.signed(json.dumps(forger.claims()), json.dumps(header), own)


def _unknown_key(forger: Forger) -> str:
    own = ECKey.generate_key("P-256")
    header = forger.header(kid=own.thumbprint())
    return forger.signed(json.dumps(forger.claims()), json.dumps(header), own)


def _other_key(forger: Forger) -> str:
    return forger.signed(json.dumps(forger.claims()), key=ECKey.generate_key("P-256"))


def _twice(forger: Forger) -> str:
    return forger.signed(json.dumps(forger.claims())[:-1] + ', "sub": "admin"}')


def _twice_in_header(forger: Forger) -> str:
    return forger.signed(
        json.dumps(forger.claims()), json.dumps(forger.header())[:-1] + ', "alg": "ES256"}'
    )


def _changed(forger: Forger) -> str:
    head, _, signature = forger.good().split(".")
    return f"{head}.{b64(json.dumps(forger.claims(sub='admin')).encode())}.{signature}"


def _padded(forger: Forger) -> str:
    head, payload, signature = forger.good().split(".")
    return f"{head}.{payload}.{signature}=="


def _now(seconds: int) -> int:
    return int(time.time()) + seconds


# Each is a way to make a token that must be refused with 401 wherever tokens are checked.
BAD_TOKENS: dict[str, Callable[[Forger], str]] = {
    "alg none": _unsigned,
    "HS256 with the public key": _by_public_key,
    "a key in the header": _own_key,
    "jku": lambda f: f.headed(jku="http://localhost:1/jwks.json"),
    "x5u": lambda f: f.headed(x5u="http://localhost:1/x.pem"),
    "crit": lambda f: f.headed(crit=["exp"]),
    "a kid that is a path": lambda f: f.headed(kid="../../../../dev/null"),
    "a kid that is not text": lambda f: f.headed(kid=7),
    "no kid": lambda f: f.headed(kid=None),
    "a key that nobody knows": _unknown_key,
    "another key under a known kid": _other_key,
    "typ JWT": lambda f: f.headed(typ="JWT"),
    "no typ": lambda f: f.headed(typ=None),
    "aud of another": lambda f: f.good(aud=["somebody-else"]),
    "no aud": lambda f: f.good(aud=None),
    "aud that is empty": lambda f: f.good(aud=[]),
    "iss of another": lambda f: f.good(iss="http://localhost:5006"),
    "no iss": lambda f: f.good(iss=None),
    "exp in the past": lambda f: f.good(exp=_now(-1), iat=_now(-301), nbf=_now(-301)),
    "no exp": lambda f: f.good(exp=None),
    "exp that is text": lambda f: f.good(exp=str(_now(300))),
    "exp in a thousand years": lambda f: f.good(exp=_now(1000 * 365 * 86_400)),
    "exp beyond any number": lambda f: f.signed(
        json.dumps(f.claims(exp=0)).replace('"exp": 0', '"exp": 1e999')
    ),
    "exp that is negative": lambda f: f.good(exp=-1),
    "nbf ahead": lambda f: f.good(nbf=_now(120)),
    "a claim twice": _twice,
    "a header twice": _twice_in_header,
    "claims that were changed": _changed,
    "padding": _padded,
    "truncated": lambda f: f.good()[:-7],
    "two parts": lambda f: f.good().rpartition(".")[0] + ".",
    "huge": lambda f: f.good(jti="j" * 6000),
    "claims that are a list": lambda f: f.signed("[]"),
}


async def forger_of(database_url: str, audience: str, **more: Any) -> Forger:
    """Somebody who has read the signing key in the database of a running identity service."""
    connection = await asyncpg.connect(database_url)
    try:
        pem = await connection.fetchval(
            "SELECT private_key FROM identity.signing_keys WHERE state = 'SIGNING'"
        )
    finally:
        await connection.close()
    return Forger(ECKey.import_key(pem), audience, **more)
