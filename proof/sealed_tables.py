"""The append-only tables, and one line of text for each of their rows.

Nothing in these tables is ever changed or deleted, so a digest of the lines that some transactions
wrote is the same for ever. The spelling of a line depends on no setting of the server: times are
seconds since 1970, bytes are hexadecimal.
"""

# What a line of each table is made of. A key has a line once it is answered, an event once it is
# processed, a break once it is resolved. Another table, or
# another spelling of a line, is another format: what is sealed stays, and all is sealed again.
FORMAT = 5
_LINES = {
    "orders.history": "order_id, version, src, dst, reason, outcome, attempts, traceparent,"
    " extract(epoch FROM at)",
    "orders.idempotency": "scope, key, encode(request_hash, 'hex'), order_id, status_code,"
    " encode(response, 'hex')",
    "orders.prices": "product_id, extract(epoch FROM since), price_minor, currency",
    "inventory.stock_moves": "cause, kind, product_id, quantity, extract(epoch FROM at)",
    "payments.legs": "payment_id, leg_n, plan_n, amount_minor, currency, provider,"
    " array_to_string(fallbacks, ','), extract(epoch FROM begin_until),"
    " may_retry, extract(epoch FROM created_at)",
    "payments.decisions": "payment_id, n, plan_n, kind, leg_n, provider, reason, inputs::text,"
    " extract(epoch FROM at)",
    "payments.policies": "version, text, extract(epoch FROM at)",
    "payments.provider_terms": "account, CASE WHEN isfinite(since) THEN extract(epoch FROM since)"
    " END, array_to_string(currencies, ','), fee_basis_points, fee_fixed_minor, minimum_minor,"
    " maximum_minor, daily_capacity_minor",
    "payments.plans": "payment_id, plan_n, merchant_id, policy_version, inputs::text, legs::text,"
    " certificate::text, methods::text, extract(epoch FROM at)",
    "payments.breaker_transitions": "id, account, src, dst, reason, extract(epoch FROM until),"
    " extract(epoch FROM at)",
    "payments.refunds": "payment_id, leg_n, n, refund_key, amount_minor, currency,"
    " extract(epoch FROM at)",
    "payments.provider_events": "provider, event_id, type, intent, attempt_key,"
    " extract(epoch FROM happened_at), extract(epoch FROM received_at), payment_id, leg_n, n,"
    " result, extract(epoch FROM processed_at)",
    "payments.reconciliation_runs": "id, account, day - date '1970-01-01', result, reason, lines,"
    " matched, young, extract(epoch FROM started_at), extract(epoch FROM ended_at)",
    "payments.settlement_lines": "account, line_id, day - date '1970-01-01', kind, intent,"
    " amount_minor, fee_minor, currency, extract(epoch FROM booked_at), run",
    "payments.reconciliation_breaks": "id, account, day - date '1970-01-01', kind, reference,"
    " payment_id, expected_minor, found_minor, currency, reason, run,"
    " extract(epoch FROM found_at), extract(epoch FROM state_at), note, resolved_in",
    "payments.attempt_history": "id, payment_id, leg_n, n, src, dst, detail,"
    " extract(epoch FROM at)",
    "payments.ledger": "payment_id, leg_n, kind, line, account, amount_minor, currency,"
    " extract(epoch FROM posted_at)",
    "proof.removals": "book, order_ref, was::text",
}
_ANSWERED = {
    "orders.idempotency": " AND response IS NOT NULL",
    "payments.provider_events": " AND processed_at IS NOT NULL",
    "payments.reconciliation_breaks": " AND state = 'resolved'",
}
_DIGEST = """\
SELECT '{name}' AS name, count(*) AS lines,
       encode(sha256(coalesce(string_agg(sha256(convert_to(line, 'UTF8')), ''::bytea
                                         ORDER BY line COLLATE "C"), '')), 'hex') AS digest
FROM (SELECT ROW({columns})::text AS line FROM {name}
      WHERE changed_in >= {since} AND changed_in < {before}{only}) s"""


def digests(since: str, before: str) -> str:
    """SQL: for each table the number and the digest of the lines that the transactions from `since`
    up to `before` (SQL expressions) wrote, as (name, lines, digest)."""
    return "\nUNION ALL\n".join(
        _DIGEST.format(
            name=name, columns=columns, since=since, before=before, only=_ANSWERED.get(name, "")
        )
        for name, columns in _LINES.items()
    )


# What a link's digest is made of, besides the digest of the link before it. The first format was
# not named in it.
LINK_CONTENT = (
    "concat_ws(' ', {0}n, {0}server, {0}since, {0}before, extract(epoch FROM {0}at), {0}tables,"
    " nullif({0}format, 1))"
)

# The tables whose triggers mark changes and note removals, or refuse them, whatever role a session
# takes: two ALWAYS triggers each. `WATCHED` is SQL: each table that there is, and whether both are.
_WATCHED = (
    "orders.orders", "orders.history", "orders.idempotency", "orders.prices",
    "inventory.reservations", "inventory.stock_moves", "payments.payments", "payments.legs",
    "payments.decisions", "payments.policies", "payments.provider_terms", "payments.plans",
    "payments.breaker_transitions", "payments.refunds", "payments.provider_events",
    "payments.reconciliation_runs", "payments.settlement_lines", "payments.reconciliation_breaks",
    "payments.attempts",
    "payments.attempt_history", "payments.ledger", "gateway.charges", "proof.removals",
    "proof.chain",
)  # fmt: skip
WATCHED = f"""\
SELECT name, (SELECT count(*) FROM pg_trigger t
              WHERE t.tgrelid = c.oid AND t.tgenabled = 'A') = 2 AS watched
FROM unnest('{{{",".join(_WATCHED)}}}'::text[]) AS name
JOIN pg_class c ON c.oid = to_regclass(name) AND c.relkind = 'r'"""  # noqa: S608 - constants
