"""Events of providers in SQL: each is kept once, as it came, and marked once it had its effect."""

import re
from typing import Any, Literal
from uuid import UUID

import msgspec
from sqlalchemy import text

from chassis.database.pool import Connection, statement
from chassis.due_work import DueWork, backoff
from gateways import NewEndpoint, ProviderEvent
from services.payment.domain import AttemptId
from services.payment.tables import provider_events

# What became of an event: an answer was settled; there was nothing to settle; it is of a type that
# changes nothing; it is about no attempt of ours.
EventResult = Literal["settled", "nothing-new", "ignored", "foreign"]

_KEY = re.compile(r"(?:pay|ord)_([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}):.*")

EVENTS_DUE = DueWork(
    provider_events,
    key=provider_events.c.id,
    state=provider_events.c.provider,
    # The partial index provider_events_due has the same words.
    due="processed_at IS NULL",
    again_s=backoff(provider_events.c.attempts, floor=0.5),
    on_claim={"attempts": provider_events.c.attempts + 1},
)
_KEEP = statement(
    text(
        "INSERT INTO payments.provider_events"
        "   (provider, event_id, type, intent, attempt_key, happened_at, payment_id, result,"
        "    processed_at)"
        " VALUES (:provider, :event_id, :type, :intent, :attempt_key, :happened_at, :payment_id,"
        "   :result ::text, CASE WHEN :result ::text IS NOT NULL THEN now() END)"
        " ON CONFLICT (provider, event_id) DO NOTHING RETURNING id"
    ),
    "INSERT payments.provider_events",
)
_FIND = statement(
    text(
        "SELECT id, provider, event_id, type, intent, attempt_key FROM payments.provider_events"
        " WHERE id = :id AND processed_at IS NULL"
    ),
    "SELECT payments.provider_events",
)
# By our own key where the event has it; else by the provider's name for the attempt.
_ATTEMPT = statement(
    text(
        "SELECT payment_id, leg_n, n FROM payments.attempts"
        " WHERE provider = :provider AND CASE WHEN :key ::text IS NULL"
        "   THEN provider_ref = :intent ::text ELSE gw_key = :key ::text END"
    ),
    "SELECT payments.attempts",
)
_MARK = statement(
    text(
        "UPDATE payments.provider_events SET result = :result ::text, payment_id ="
        "   coalesce(:payment_id ::uuid, payment_id), leg_n = :leg_n ::int, n = :n ::int,"
        "   processed_at = now(), updated_at = now()"
        " WHERE id = :id AND processed_at IS NULL"
    ),
    "UPDATE payments.provider_events",
)
_SECRET = statement(
    text("SELECT value FROM payments.secrets WHERE name = :name ::text"), "SELECT payments.secrets"
)
_ENDPOINT = statement(
    text("SELECT endpoint, url FROM payments.webhook_endpoints WHERE account = :account"),
    "SELECT payments.webhook_endpoints",
)
# Of two who made one at the same time, the one who saw the last row wins.
_KEEP_ENDPOINT = statement(
    text(
        "WITH kept AS ("
        " INSERT INTO payments.webhook_endpoints AS w (account, endpoint, url)"
        " VALUES (:account, :endpoint, :url)"
        " ON CONFLICT (account) DO UPDATE SET endpoint = excluded.endpoint, url = excluded.url,"
        "   at = now() WHERE w.endpoint = :seen ::text"
        " RETURNING 1)"
        " INSERT INTO payments.secrets (name, value)"
        " SELECT :name, convert_to(:secret ::text, 'UTF8') FROM kept"
        " ON CONFLICT (name) DO UPDATE SET value = excluded.value"
    ),
    "INSERT payments.webhook_endpoints, payments.secrets",
)


class InboxEvent(msgspec.Struct, frozen=True):
    """An event that is not processed yet."""

    id: int
    provider: str
    event_id: str
    type: str
    intent: str | None
    attempt_key: str | None


class Registered(msgspec.Struct, frozen=True):
    """An account's endpoint, as last made here."""

    endpoint: str
    url: str


async def keep(c: Connection, provider: str, event: ProviderEvent, *, ignored: bool) -> bool:
    """Put an event into the inbox; false where it is there already. One that is `ignored` is
    processed with that."""
    found = _KEY.fullmatch(event.attempt_key or "")
    row = await c.row(
        _KEEP,
        provider=provider,
        **msgspec.structs.asdict(event),
        payment_id=UUID(found[1]) if found else None,
        result="ignored" if ignored else None,
    )
    return row is not None


async def find(c: Connection, event: int) -> InboxEvent | None:
    """The event; None once it is processed."""
    row = await c.row(_FIND, id=event)
    return None if row is None else msgspec.convert(dict(row), InboxEvent)


async def attempt_of(c: Connection, event: InboxEvent, key: str | None) -> AttemptId | None:
    """The attempt that has this key, or without one this intent, at the event's provider."""
    row = await c.row(_ATTEMPT, provider=event.provider, key=key, intent=event.intent)
    return None if row is None else AttemptId(row["payment_id"], row["leg_n"], row["n"])


async def mark(
    c: Connection, event: InboxEvent, result: EventResult, attempt: AttemptId | None = None
) -> None:
    """The event is processed; once, whoever else did so at the same time."""
    about: dict[str, Any] = {"payment_id": None, "leg_n": None, "n": None}
    if attempt is not None:
        about = msgspec.structs.asdict(attempt)
    await c.execute(_MARK, id=event.id, result=result, **about)


async def secret_of(c: Connection, account: str) -> str | None:
    """What signs the account's events; None where it is not known."""
    row = await c.row(_SECRET, name=_name(account))
    return None if row is None else bytes(row["value"]).decode()


async def endpoint_of(c: Connection, account: str) -> Registered | None:
    """Where the account's events go, as last made here."""
    row = await c.row(_ENDPOINT, account=account)
    return None if row is None else Registered(row["endpoint"], row["url"])


async def keep_endpoint(
    c: Connection, account: str, url: str, made: NewEndpoint, seen: Registered | None
) -> bool:
    """Keep an endpoint with its secret; false where another one was kept since `seen`."""
    kept = await c.execute(
        _KEEP_ENDPOINT,
        account=account,
        url=url,
        endpoint=made.endpoint,
        seen=None if seen is None else seen.endpoint,
        name=_name(account),
        secret=made.secret,
    )
    return kept > 0


def _name(account: str) -> str:
    return f"webhook {account}"
