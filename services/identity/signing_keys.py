"""The keys that tokens are signed with: they follow each other by themselves.

One signs, and the next is published beside it, so that every reader has it long before it signs; a
key that is retired is published until the last token that it signed has ended. One that was stolen
is withdrawn, and the next signs at once. Any number of replicas turn them, one at a time."""

import logging
from typing import Any

import msgspec
from sqlalchemy import text

from chassis.database.pace import PollPace
from chassis.database.pool import Connection, Database, statement
from chassis.http.problems import NOT_EXECUTED, Problem
from chassis.identity.tokens import ALGORITHM, LONGEST_LIFE_S
from services.identity import contract
from services.identity.domain import SigningKey
from services.identity.settings import IdentitySettings

logger = logging.getLogger(__name__)

# A replica that has not yet seen the turn signs with the old key, a poll or two longer.
_LATE_S = 60.0

_LOCK = statement(
    text("SELECT pg_advisory_xact_lock(hashtext('identity.signing_keys')) IS NULL AS locked"),
    "SELECT pg_advisory_xact_lock",
)
_READ = statement(
    text(
        "SELECT kid, state, public_key::text, private_key, published_at, signs_at, signing_since,"
        " retired_at, gone_at, withdrawn_at, withdrawn_by, withdrawn_because,"
        " clock_timestamp() >= signs_at AS may_sign,"
        " coalesce(clock_timestamp() >= signing_since + :every_s * interval '1 second', false)"
        "   AS is_old"
        " FROM identity.signing_keys WHERE gone_at IS NULL OR gone_at > clock_timestamp()"
        " OR state = 'WITHDRAWN' ORDER BY published_at DESC"
    ),
    "SELECT identity.signing_keys",
)
_PUBLISH = statement(
    text(
        "INSERT INTO identity.signing_keys"
        " (kid, state, public_key, private_key, published_at, signs_at, signing_since)"
        " SELECT :kid, :state, :public_key ::text::jsonb, :private_key, t,"
        "   t + :lead_s * interval '1 second', CASE WHEN :state = 'SIGNING' THEN t END"
        " FROM (SELECT clock_timestamp() AS t) x"
    ),
    "INSERT identity.signing_keys",
)
_RETIRE = statement(
    text(
        "UPDATE identity.signing_keys SET state = 'RETIRED', private_key = NULL,"
        " retired_at = clock_timestamp(),"
        " gone_at = clock_timestamp() + :life_s * interval '1 second' WHERE state = 'SIGNING'"
    ),
    "UPDATE identity.signing_keys",
)
_PROMOTE = statement(
    text(
        "UPDATE identity.signing_keys SET state = 'SIGNING', signing_since = t,"
        " signs_at = least(signs_at, t) FROM (SELECT clock_timestamp() AS t) x WHERE state = 'NEXT'"
    ),
    "UPDATE identity.signing_keys",
)
_WITHDRAW = statement(
    text(
        "UPDATE identity.signing_keys SET state = 'WITHDRAWN', private_key = NULL,"
        " withdrawn_at = t, gone_at = least(gone_at, t), withdrawn_by = :by,"
        " withdrawn_because = :because FROM (SELECT clock_timestamp() AS t) x"
        " WHERE kid = :kid AND state <> 'WITHDRAWN'"
    ),
    "UPDATE identity.signing_keys",
)
_STATE = statement(
    text("SELECT state FROM identity.signing_keys WHERE kid = :kid"), "SELECT identity.signing_keys"
)


class SigningKeys:
    """One replica's view of the keys, and its share in turning them."""

    def __init__(self, database: Database, settings: IdentitySettings) -> None:
        self._database, self._settings = database, settings
        self._keys: list[SigningKey] = []
        self._signer: tuple[str, Any] | None = None
        self._is_asked_for = False
        # The keys as anybody may have them: {"keys": [...]}.
        self.document = b""

    async def run(self) -> None:
        """Turn them when it is time, for the life of the process."""
        settings = self._settings
        # What is due comes with time, and is late by half of what it waited for at most.
        waits_s = min(settings.identity_key_lead_s, settings.identity_rotate_every_s)
        pace = PollPace(self._database, settings.identity_poll_s, longest_s=waits_s / 2)
        while True:
            await self.turn()
            await pace.wait()

    async def turn(self, *, early: bool = False) -> list[SigningKey]:
        """Take the step that is due, if one is; the keys as they are now, those that were withdrawn
        among them. `early`: the next one signs as soon as everybody has it."""
        self._is_asked_for |= early
        async with self._database.connect() as connection:
            keys = await self._read(connection)
        if _is_due(keys, early=self._is_asked_for):
            async with self._database.begin() as tx:
                await tx.row(_LOCK)
                keys = await self._read(tx)
                if _is_due(keys, early=self._is_asked_for):
                    await self._step(tx, keys)
                    keys = await self._read(tx)
        self._take(keys)
        return keys

    async def withdraw(self, kid: str, by: str, because: str) -> list[SigningKey] | None:
        """Let a key sign nothing and be published no more; all keys after that, None where there is
        none of this kid. If it signed, the next one signs at once, even if it was published only
        now and readers have yet to fetch it. One that was withdrawn before stays as it is."""
        async with self._database.begin() as tx:
            await tx.row(_LOCK)
            if await tx.row(_STATE, kid=kid) is None:
                return None
            if await tx.execute(_WITHDRAW, kid=kid, by=by, because=because):
                await self._fill(tx, await self._read(tx))
                logger.warning("a key was withdrawn", extra={"kid": kid, "actor": by})
            keys = await self._read(tx)
        self._take(keys)
        return keys

    async def published(self) -> bytes:
        """The keys as anybody may have them."""
        if self._signer is None:
            await self.turn()
        return self.document

    def sign(self, payload: bytes, header: dict[str, Any]) -> str:
        """The payload, signed by the key of today; `Problem` 503 while there is none."""
        if self._signer is None:
            raise Problem(
                503, contract.NO_KEY, "There is no signing key yet; nothing was done",
                retryable=True, headers={"Retry-After": "1", **NOT_EXECUTED},
            )  # fmt: skip
        from joserfc import jws

        kid, key = self._signer
        return jws.serialize_compact({**header, "kid": kid}, payload, key, algorithms=[ALGORITHM])

    def public(self) -> dict[str, Any]:
        """The published keys by their thumbprint."""
        from joserfc.jwk import ECKey

        return {each.kid: ECKey.import_key(msgspec.json.decode(each.public_key))
                for each in _published(self._keys)}  # fmt: skip

    async def _read(self, c: Connection) -> list[SigningKey]:
        rows = await c.rows(_READ, every_s=self._settings.identity_rotate_every_s)
        return [msgspec.convert(dict(row), SigningKey) for row in rows]

    async def _step(self, tx: Connection, keys: list[SigningKey]) -> None:
        if _of(keys, "SIGNING") and _of(keys, "NEXT"):
            await tx.execute(_RETIRE, life_s=LONGEST_LIFE_S + _LATE_S)
            keys = await self._read(tx)
            self._is_asked_for = False
        await self._fill(tx, keys)

    async def _fill(self, tx: Connection, keys: list[SigningKey]) -> None:
        """Let one sign and one be the next, where there is none."""
        if not _of(keys, "SIGNING"):
            if not await tx.execute(_PROMOTE):
                await self._publish(tx, "SIGNING", 0.0)
            logger.info("another key signs from now on")
        if not _of(await self._read(tx), "NEXT"):
            await self._publish(tx, "NEXT", self._settings.identity_key_lead_s)

    async def _publish(self, tx: Connection, state: str, lead_s: float) -> None:
        from joserfc.jwk import ECKey

        key = ECKey.generate_key("P-256")
        public = {**key.as_dict(private=False), "kid": key.thumbprint()}
        public |= {"use": "sig", "alg": ALGORITHM}
        await tx.execute(
            _PUBLISH, kid=public["kid"], state=state, lead_s=lead_s,
            public_key=msgspec.json.encode(public).decode(),
            private_key=key.as_pem(private=True).decode(),
        )  # fmt: skip

    def _take(self, keys: list[SigningKey]) -> None:
        if keys == self._keys:
            return
        from joserfc.jwk import ECKey

        self._keys = keys
        self.document = msgspec.json.encode(
            {"keys": [msgspec.Raw(each.public_key.encode()) for each in _published(keys)]}
        )
        for each in keys:
            is_signer = self._signer is not None and self._signer[0] == each.kid
            if each.private_key and each.state == "SIGNING" and not is_signer:
                self._signer = each.kid, ECKey.import_key(each.private_key)


def _of(keys: list[SigningKey], state: str) -> SigningKey | None:
    return next((each for each in keys if each.state == state), None)


def _published(keys: list[SigningKey]) -> list[SigningKey]:
    return [each for each in keys if each.state != "WITHDRAWN"]


def _is_due(keys: list[SigningKey], *, early: bool) -> bool:
    signing, coming = _of(keys, "SIGNING"), _of(keys, "NEXT")
    if signing is None or coming is None:
        return True
    return coming.may_sign and (early or signing.is_old)
