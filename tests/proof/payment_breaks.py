"""How each promise about what a payment is made of is broken."""

from tests.proof.breaks import ATTEMPT, NO_TRIGGERS, OPEN, PAID, STRAY, UNPAID, Break
from tests.proof.rows import CONFIRMED, PENDING

# A second leg of the open payment, made when the payment was.
_LEG = (
    "INSERT INTO payments.legs"
    " (payment_id, leg_n, plan_n, amount_minor, currency, provider, created_at)"
    " SELECT payment_id, 2, {plan}, {minor}, 'EUR', '{provider}', created_at"
    f" FROM payments.payments WHERE payment_id = '{OPEN}';"
)
_ONE_MORE = "ALTER TABLE payments.legs DISABLE TRIGGER legs_add_up;" + _LEG.format(
    plan=1, minor=1, provider="mock"
)
# The open payment in two legs, as it stands while the accounts are asked.
_TWO_LEGS = (
    f"{_ONE_MORE}"
    "INSERT INTO payments.decisions (payment_id, n, kind, leg_n, provider, reason, inputs)"
    f" VALUES ('{OPEN}', 2, 'route', 2, 'mock', 'so it seems', '{{}}');"
)
# A plan of the open payment at its one account, which charges 3 %, and what its policy said of it.
_PLAN = (
    "INSERT INTO payments.plans (payment_id, plan_n, merchant_id, policy_version, inputs, legs,"
    f" certificate, methods) SELECT '{OPEN}', 1, 'm1', {{policy}},"
    " jsonb_build_object('amount', 19998, 'currency', 'EUR', 'split', 'cheapest',"
    " 'usable', '[\"mock\", \"other\"]'::jsonb, 'terms',"
    ' \'[{{"account": "mock", "fee_basis_points": 300, "fee_fixed_minor": 0, "minimum_minor": 1,'
    ' "maximum_minor": 99999999, "capacity_minor": 99999999, "currencies": ["EUR"]}},'
    ' {{"account": "other", "fee_basis_points": {other}, "fee_fixed_minor": 0, "minimum_minor": 1,'
    ' "maximum_minor": 99999999, "capacity_minor": 99999999, "currencies": ["EUR"]}}]\'::jsonb,'
    " 'policy', {outcome}),"
    ' \'[{{"account": "mock", "amount_minor": {minor}, "fee_minor": {fee}}}]\','
    " '{{\"cost_minor\": {cost}, \"lower_bound_minor\": {cost}}}', '{{}}' FROM payments.policies"
)
# The first rule of the seeded policy is its second line; it is made to decide.
_OUTCOME = (
    "(SELECT jsonb_build_object('version', {version}, 'line', 2, 'failed', false, 'action',"
    " jsonb_build_object('kind', {kind}, 'provider', NULL), 'trace', jsonb_agg(jsonb_build_object("
    "'line', n, 'when', substring(line FROM '^if (.*) then '), 'action',"
    " substring(line FROM ' then (.*)$'), 'outcome',"
    " CASE WHEN n = 2 THEN {outcome} ELSE 'not reached' END) ORDER BY n))"
    " FROM regexp_split_to_table(policies.text, E'\\n') WITH ORDINALITY AS rules (line, n)"
    " WHERE line ~ '^if ')"
)


def _plan(**how: object) -> str:
    usual = {
        "policy": "NULL", "outcome": "NULL::jsonb", "minor": 19998, "fee": 600, "cost": 600,
        "other": 400,
    }  # fmt: skip
    return _PLAN.format(**{**usual, **how})


def _with_policy(**how: str) -> str:
    usual = {"version": "policies.version", "kind": "'deny'", "outcome": "'matched'"}
    return _plan(policy="version", outcome=_OUTCOME.format(**{**usual, **how}))


# The breaker of the open payment's account opened a minute before its attempt.
_OPENED = (
    "INSERT INTO payments.breaker_transitions (account, src, dst, until, at)"
    " SELECT provider, 'closed', 'open', created_at + interval '1 minute',"
    f" created_at - interval '1 minute' FROM payments.attempts WHERE payment_id = '{OPEN}';"
)
# Another plan of the open payment, whose first leg is unknown.
_ANOTHER_PLAN = (
    "ALTER TABLE payments.legs DISABLE TRIGGER guard_plan;"
    "INSERT INTO payments.decisions (payment_id, n, kind, reason, inputs)"
    f" VALUES ('{OPEN}', 2, 'replace', 'so it seems', '{{}}');"
    "INSERT INTO payments.decisions (payment_id, n, plan_n, kind, leg_n, provider, reason, inputs)"
    f" VALUES ('{OPEN}', 3, 2, 'route', 2, 'flaky', 'so it seems', '{{}}');"
    f"{_LEG.format(plan=2, minor=19998, provider='flaky')}"
    f"{ATTEMPT} VALUES"
    f" ('{OPEN}', 2, 1, 'flaky', 'pay_{OPEN}:2:1', 19998, 'EUR', 'IN_FLIGHT');"
)
PAYMENT_BREAKS = (
    Break(
        "P3",
        "another plan while a leg of the first is unknown",
        _ANOTHER_PLAN,
        ("asked", "flaky"),
        ("P2",),
    ),
    Break(
        "P2",
        "money under a plan that was replaced",
        _ANOTHER_PLAN,
        ("what", "money under a plan that was replaced"),
        ("P3",),
        long=True,
    ),
    Break(
        "I28",
        "a plan replaced, and nobody decided to",
        _ANOTHER_PLAN.replace("'replace'", "'adopt'"),
        ("what", "plan replaced without a decision"),
        ("P2", "P3"),
    ),
    Break(
        "I17",
        "the legs of another plan that are not the amount",
        f"ALTER TABLE payments.legs DISABLE TRIGGER legs_add_up;{_ANOTHER_PLAN}".replace(
            "19998", "19997"
        ),
        ("found", "19997 EUR"),
        ("P2", "P3"),
        long=True,
    ),
    Break(
        "I3",
        "a payment captured under both its plans",
        f"{_ANOTHER_PLAN}INSERT INTO gateway.charges (gw_key, provider, payment_ref, amount_minor,"
        " currency, state, captured_at) SELECT gw_key, provider, payment_id::text, amount_minor,"
        f" currency, 'CAPTURED', now() FROM payments.attempts WHERE payment_id = '{OPEN}'",
        ("captures", 2),
        ("P2", "P3"),
    ),
    Break(
        "P7",
        "legs that are not the amount",
        _plan(minor=19997),
        ("what", "legs that are not the amount"),
    ),
    Break(
        "P7",
        "a fee that the account does not charge",
        _plan(fee=599, cost=599),
        ("what", "a leg that its account does not take so"),
        long=True,
    ),
    Break(
        "P7",
        "a cost that is not the legs'",
        _plan(cost=601),
        ("what", "a claim that does not fit"),
        long=True,
    ),
    Break("P7", "another account alone is cheaper", _plan(other=299), ("account", "other")),
    Break(
        "P9",
        "a policy that said something else",
        _with_policy(kind="'allow'"),
        ("what", "another action"),
    ),
    Break(
        "P9",
        "the words of another policy",
        _with_policy(version="repeat('0', 64)"),
        ("what", "another version"),
        long=True,
    ),
    Break(
        "P9",
        "a rule that decides, though it was not true",
        _with_policy(outcome="'not matched'"),
        ("what", "not the first that decides"),
        long=True,
    ),
    Break(
        "P8",
        "an account asked for money while its breaker is open",
        f"{NO_TRIGGERS}UPDATE payments.attempts SET method = 'pm' WHERE payment_id = '{OPEN}';"
        f"{_OPENED}",
        ("what", "asked while it was open"),
    ),
    Break(
        "P8",
        "a probe before its time",
        f"{_OPENED}INSERT INTO payments.breaker_transitions (account, src, dst, until, at)"
        " SELECT account, dst, 'half-open', until + interval '1 second', until"
        " - interval '1 second' FROM payments.breaker_transitions",
        ("what", "probed too early"),
    ),
    Break(
        "P3",
        "another account asked while the first is unknown",
        "DROP INDEX payments.one_live_attempt;"
        "ALTER TABLE payments.legs DISABLE TRIGGER legs_are_append_only;"
        f"UPDATE payments.legs SET fallbacks = '{{flaky}}' WHERE payment_id = '{OPEN}';"
        f"{ATTEMPT} VALUES"
        f" ('{OPEN}', 1, 2, 'flaky', 'pay_{OPEN}:1:2', 19998, 'EUR', 'UNKNOWN')",
        ("asked", "flaky"),
        ("I9", "I26", "I27"),
    ),
    Break(
        "P2",
        "one of two legs captured, and nobody decided to",
        f"{_TWO_LEGS}{ATTEMPT} VALUES"
        f" ('{OPEN}', 2, 1, 'mock', 'pay_{OPEN}:2:1', 1, 'EUR', 'SUCCEEDED')",
        ("what", "captured before the decision"),
        ("I17", "I22", "I23"),
    ),
    Break(
        "P1",
        "money at the acquirer that we believe was never taken",
        f"UPDATE payments.attempts SET provider_ref = 'pi_1' WHERE payment_id = '{UNPAID}';"
        "INSERT INTO acquirer.intents (id, account, amount_minor, currency, capture_method, status,"
        " received_minor, client_secret, metadata) VALUES ('pi_1', 'alfa', 19998, 'eur',"
        f" 'automatic', 'succeeded', 19998, 's', '{{\"attempt\": \"pay_{UNPAID}:1:1\"}}')",
        ("acquirer_minor", 19998),
    ),
    Break(
        "I9",
        "two live attempts",
        "DROP INDEX payments.one_live_attempt;"
        f"{ATTEMPT} VALUES"
        f" ('{OPEN}', 1, 2, 'mock', 'pay_{OPEN}:1:2', 19998, 'EUR', 'UNKNOWN')",
        ("live_attempts", 2),
        ("P3",),
    ),
    Break(
        "I23",
        "a payment's state that is not its attempt's",
        f"{NO_TRIGGERS}UPDATE payments.payments SET state = 'FAILED' WHERE payment_id = '{PAID}'",
        ("other", "SUCCEEDED"),
        ("I4", "E1"),
    ),
    Break(
        "I23",
        "an attempt's history deleted",
        f"{NO_TRIGGERS}DELETE FROM payments.attempt_history WHERE payment_id = '{UNPAID}'",
        ("other", "no history"),
        ("I26", "I27"),
    ),
    Break(
        "I23",
        "a payment and its attempt that succeeded without the gateway",
        f"{NO_TRIGGERS}DELETE FROM gateway.charges WHERE payment_ref = '{UNPAID}'",
        ("other", "no charge"),
        ("I26",),
    ),
    Break(
        "I17",
        "a leg more than the payment",
        _ONE_MORE,
        ("found", "19999 EUR"),
        ("I28",),
    ),
    Break(
        "I17",
        "a leg deleted, while its attempt stays",
        f"{NO_TRIGGERS}DELETE FROM payments.legs WHERE payment_id = '{OPEN}'",
        ("found", "no leg"),
        ("I26", "I27"),
        long=True,
    ),
    Break(
        "I17",
        "a leg of no payment",
        f"{NO_TRIGGERS}"
        "INSERT INTO payments.legs (payment_id, leg_n, amount_minor, currency, provider)"
        f" VALUES ('{STRAY}', 1, 1, 'EUR', 'mock');"
        "INSERT INTO payments.decisions (payment_id, n, kind, leg_n, provider, reason, inputs)"
        f" VALUES ('{STRAY}', 1, 'route', 1, 'mock', 'so it seems', '{{}}')",
        ("expected", "no payment"),
        ("I28",),
        long=True,
    ),
    Break(
        "I17",
        "an attempt at another provider than its leg's",
        f"{NO_TRIGGERS}UPDATE payments.attempts SET provider = 'flaky' WHERE payment_id = '{PAID}'",
        ("found", "19998 EUR flaky"),
        long=True,
    ),
    Break(
        "I17",
        "an attempt over more than its leg",
        f"{NO_TRIGGERS}UPDATE payments.attempts SET amount_minor = 19999"
        f" WHERE payment_id = '{OPEN}'",
        ("found", "19999 EUR mock"),
    ),
    Break(
        "I28",
        "a decision lost",
        f"{NO_TRIGGERS}DELETE FROM payments.decisions WHERE payment_id = '{PAID}'",
        ("what", "leg without a decision"),
        ("I26", "I27"),
    ),
    Break(
        "I20",
        "a decision lost, and its payment made to look older than decisions",
        f"{NO_TRIGGERS}DELETE FROM payments.decisions WHERE payment_id = '{UNPAID}';"
        "ALTER TABLE payments.attempts DISABLE TRIGGER guard_attempt;"
        f"UPDATE payments.attempts SET gw_key = 'ord_{UNPAID}:1' WHERE payment_id = '{UNPAID}'",
        ("what", "charge that nobody asked for"),
        ("I23", "I26", "I27"),
    ),
    Break(
        "I28",
        "a decision about another provider",
        f"{NO_TRIGGERS}UPDATE payments.decisions SET provider = 'flaky'"
        f" WHERE payment_id = '{PAID}'",
        ("what", "leg without a decision"),
        ("I26", "I27"),
        long=True,
    ),
    Break(
        "I28",
        "a decision that is not the next one",
        "INSERT INTO payments.decisions (payment_id, n, kind, leg_n, provider, reason, inputs)"
        f" VALUES ('{PAID}', 3, 'route', 1, 'mock', 'so it seems', '{{}}')",
        ("what", "decision missing before the last"),
        long=True,
    ),
    Break(
        "I29",
        "an order that names another payment",
        f"{NO_TRIGGERS}UPDATE orders.orders SET payment_id = '{STRAY}' WHERE id = '{CONFIRMED}'",
        ("what", "order with another payment"),
        ("I4",),
    ),
    Break(
        "I29",
        "a payment that names another order",
        f"{NO_TRIGGERS}"
        f"UPDATE payments.payments SET order_id = '{STRAY}' WHERE payment_id = '{PAID}'",
        ("what", "payment of another order"),
        ("I4", "I20", "I26"),
    ),
    Break(
        "I29",
        "two orders, one payment",
        f"{NO_TRIGGERS}ALTER TABLE orders.orders DROP CONSTRAINT one_order_a_payment;"
        f"UPDATE orders.orders SET payment_id = '{PAID}' WHERE id = '{PENDING}'",
        ("what", "several orders"),
        long=True,
    ),
    Break(
        "I3",
        "two payments captured for one order",
        "ALTER TABLE payments.payments DROP CONSTRAINT one_payment_an_order;"
        f"{NO_TRIGGERS}"
        f"UPDATE payments.payments SET order_id = '{CONFIRMED}' WHERE payment_id = '{OPEN}';"
        "INSERT INTO gateway.charges (gw_key, provider, payment_ref, amount_minor, currency, state,"
        f" captured_at) VALUES ('pay_{OPEN}:1:1', 'mock', '{OPEN}', 19998, 'EUR', 'CAPTURED',"
        " now())",
        ("captures", 2),
        ("I26", "I29"),
    ),
)
