"""How each promise about sessions and keys is broken."""

from tests.proof.breaks import NO_TRIGGERS, Break

_FAMILY = "00000000-0000-4000-8000-00000000000f"
_BEGUN = (
    f"{NO_TRIGGERS} INSERT INTO identity.users (user_id, roles) VALUES ('ada', '{{shopper}}');"
    "INSERT INTO identity.families (family_id, user_id, ends_at)"
    f" VALUES ('{_FAMILY}', 'ada', now() + interval '1 day');"
)
_TOKEN = (
    "INSERT INTO identity.refresh_tokens (token_id, family_id, digest, parent, state, ended_at)"
    f" VALUES ('00000000-0000-4000-8000-{{n:012}}', '{_FAMILY}', sha256('{{n}}'), {{parent}},"
    " {state});"
)
_LIVE, _SPENT = "'LIVE', NULL", "'SPENT', now()"
_FIRST = "'00000000-0000-4000-8000-000000000001'"
_KEY = (
    "INSERT INTO identity.signing_keys (kid, state, public_key, private_key, published_at,"
    " signs_at, signing_since) VALUES (repeat('{c}', 43), 'SIGNING', '{{}}', 'x', now(),"
    " now() + interval '1 hour', now() + interval '{after}');"
)
_WITHDRAWN = (
    "INSERT INTO identity.signing_keys (kid, state, public_key, published_at, signs_at, gone_at,"
    " withdrawn_at, withdrawn_by, withdrawn_because) VALUES (repeat('w', 43), 'WITHDRAWN', '{}',"
    " now(), now(), now() + interval '1 hour', now(), 'somebody', 'stolen');"
)


def _token(n: int, parent: str, state: str) -> str:
    return _TOKEN.format(n=n, parent=parent, state=state)


IDENTITY_BREAKS = (
    Break(
        "T1",
        "a spent refresh token with two successors",
        "ALTER TABLE identity.refresh_tokens DROP CONSTRAINT one_successor;"
        f"{_BEGUN}{_token(1, 'NULL', _SPENT)}{_token(2, _FIRST, _SPENT)}{_token(3, _FIRST, _LIVE)}",
        ("found", 2),
    ),
    Break(
        "T1",
        "a live token of a revoked family",
        f"{_BEGUN}{_token(1, 'NULL', _LIVE)}"
        "UPDATE identity.families SET revoked_at = now(), revoked_because = 'stolen'",
        ("what", "live tokens"),
    ),
    Break(
        "T2",
        "two keys that sign",
        f"DROP INDEX identity.one_signing_key; {_KEY.format(c='a', after='1 hour')}"
        f"{_KEY.format(c='b', after='2 hours')}",
        ("found", 2),
    ),
    Break(
        "T2",
        "a key that signed before it was known",
        "ALTER TABLE identity.signing_keys DROP CONSTRAINT signs_when_known;"
        f"{_KEY.format(c='a', after='1 minute')}",
        ("what", "signed too soon"),
    ),
    Break(
        "T2",
        "a key that was withdrawn and is published",
        "ALTER TABLE identity.signing_keys DROP CONSTRAINT key_is_of_its_state;"
        f"{_KEY.format(c='a', after='1 hour')}{_WITHDRAWN}",
        ("what", "withdrawn and there"),
    ),
)
