"""How each promise about what providers tell us is broken."""

from tests.proof.breaks import NO_TRIGGERS, PAID, UNPAID, Break

_EVENT = (
    "INSERT INTO payments.provider_events (provider, event_id, type, intent, attempt_key,"
    " happened_at, received_at, payment_id, leg_n, n, result, processed_at) VALUES"
)
_LONG_AGO = "now() - interval '1 day'"
_RUN = (
    "INSERT INTO payments.reconciliation_runs"
    " (account, day, result, lines, matched, young, started_at)"
    " VALUES ('mock', (now() AT TIME ZONE 'UTC')::date - 1, 'matched', 1, 1, 0, now());"
)
# The captured payment, as if it had been taken at an account that has intents.
_AT_AN_ACCOUNT = f"UPDATE payments.attempts SET provider_ref = 'pi_1' WHERE payment_id = '{PAID}';"
_LINE = (
    "INSERT INTO payments.settlement_lines (account, line_id, day, kind, intent, amount_minor,"
    " fee_minor, currency, booked_at, run) SELECT 'mock', {line}, r.day, 'capture', {intent},"
    " 19998, {fee}, 'EUR', now() - interval '1 day', r.id FROM payments.reconciliation_runs r;"
)
# The acquirer's own rows about an event of the intent pi_1 that was accepted.
AS_DELIVERED = (
    "INSERT INTO acquirer.webhook_endpoints (id, account, url, enabled_events, secret)"
    " VALUES ('we_1', 'alfa', 'http://127.0.0.1:1/', '{*}', 'whsec_1');"
    "INSERT INTO acquirer.events (id, account, type, object, api_version, request_id) VALUES"
    " ('evt_1', 'alfa', 'payment_intent.succeeded', '{\"id\": \"pi_1\"}', '', '');"
    "INSERT INTO acquirer.deliveries (endpoint, event, state)"
    " VALUES ('we_1', 'evt_1', 'DELIVERED');"
    "INSERT INTO payments.webhook_endpoints (account, endpoint, url)"
    " VALUES ('alfa', 'we_1', 'http://127.0.0.1:1/');"
)


def _line(*, line: str = "txn_1", intent: str = "pi_1", fee: int = 600) -> str:
    return _LINE.format(line=f"'{line}'", intent=f"'{intent}'", fee=fee)


PROVIDER_BREAKS = (
    Break(
        "P10",
        "an event that nobody worked off",
        f"{_EVENT} ('mock', 'evt_1', 'payment_intent.succeeded', 'pi_1', 'pay_{PAID}:1:1',"
        f" {_LONG_AGO}, {_LONG_AGO}, '{PAID}', NULL, NULL, NULL, NULL)",
        ("what", "not processed"),
    ),
    Break(
        "P10",
        "an event marked as processed without its effect",
        f"{_EVENT} ('mock', 'evt_1', 'payment_intent.succeeded', 'pi_1', 'pay_{UNPAID}:1:1',"
        f" now(), now(), '{UNPAID}', 1, 1, 'settled', now())",
        ("what", "without its effect"),
    ),
    Break(
        "P10",
        "an event kept twice",
        "ALTER TABLE payments.provider_events DROP CONSTRAINT provider_events_pkey;"
        + 2
        * (
            f"{_EVENT} ('mock', 'evt_1', 'payment_intent.succeeded', 'pi_1', 'pay_{PAID}:1:1',"
            f" now(), now(), '{PAID}', 1, 1, 'settled', now());"
        ),
        ("what", "kept twice"),
        long=True,
    ),
    Break(
        "P10",
        "an event about an attempt of ours that was passed over",
        f"{_EVENT} ('mock', 'evt_1', 'payment_intent.succeeded', 'pi_1', 'pay_{PAID}:1:1',"
        f" now(), now(), '{PAID}', NULL, NULL, 'foreign', now())",
        ("what", "passed over"),
        long=True,
    ),
    Break(
        "P10",
        "an event that was answered and not kept",
        f"{AS_DELIVERED}{_AT_AN_ACCOUNT}",
        ("what", "answered and not kept"),
    ),
    Break(
        "P6",
        "a settlement line with another fee, and no difference on record",
        f"{_AT_AN_ACCOUNT}{_RUN}{_line(fee=599)}",
        ("expected_fee_minor", 600),
    ),
    Break(
        "P6",
        "a settlement line about no transfer of ours",
        f"{_RUN}{_line(intent='pi_9')}",
        ("what", "line without transfer"),
    ),
    Break(
        "P6",
        "two settlement lines for one capture",
        f"{_AT_AN_ACCOUNT}{_RUN}{_line()}{_line(line='txn_2')}",
        ("what", "line twice"),
        long=True,
    ),
    Break(
        "P6",
        "a capture that no settlement file has",
        f"{_AT_AN_ACCOUNT}{_RUN}",
        ("what", "transfer without line"),
    ),
    Break(
        "P6",
        "a difference taken off the record",
        f"{_RUN}{_line(intent='pi_9')}"
        "INSERT INTO payments.reconciliation_breaks (account, day, kind, reference, reason, run,"
        " state, note) SELECT 'mock', r.day, 'missing_here', 'txn_1', 'so it seems', r.id,"
        " 'resolved', 'it is ours' FROM payments.reconciliation_runs r;"
        f"{NO_TRIGGERS}DELETE FROM payments.reconciliation_breaks",
        ("what", "line without transfer"),
        ("I26",),
        long=True,
    ),
)
