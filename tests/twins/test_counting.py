"""Each of the figures counts what it says, over rows that are written straight into the tables."""

import asyncpg
import pytest

from tests.proof.rows import CONFIRMED, DECLINED, fill, payment_of
from twins.counting import Counts, counts

# Two are confirmed (one refunded by hand since), one is declined, one is pending.
AS_IT_SHOULD_BE = Counts(
    orders=4, payments=4, stuck=1, charged_twice=0, charged_without_goods=0, units_leaked=0
)
PAID, UNPAID = payment_of(CONFIRMED), payment_of(DECLINED)
STRAY = "00000000-0000-4000-8000-0000000000ff"
CHARGE = (
    "INSERT INTO gateway.charges (gw_key, provider, payment_ref, amount_minor, currency, state,"
    " captured_at) VALUES ('another', 'mock', '{}', {}, 'EUR', 'CAPTURED', now())"
)
INTENT = (
    "INSERT INTO acquirer.intents (id, account, amount_minor, currency, capture_method, status,"
    " received_minor, client_secret, metadata) VALUES ('pi_1', 'alfa', 19998, 'eur', 'automatic',"
    " 'succeeded', 19998, '', '{{\"payment\": \"{}\"}}')"
)
# A payment that no order has.
ALONE = (
    "INSERT INTO payments.payments (payment_id, amount_minor, currency, state)"
    " VALUES ('{}', 19998, 'EUR', '{}')"
)
HOLD = "UPDATE inventory.reservations SET state = '{}' WHERE order_id = '{}'"


@pytest.mark.parametrize(
    ("sql", "changed"),
    [
        ("SELECT 1", {}),
        (CHARGE.format(PAID, 19_998), {"charged_twice": 1}),
        (INTENT.format(PAID), {"charged_twice": 1}),
        (CHARGE.format(UNPAID, 19_998), {"charged_without_goods": 1}),
        (HOLD.format("RELEASED", CONFIRMED), {"charged_without_goods": 1}),
        (CHARGE.format(STRAY, 1), {"charged_without_goods": 1}),
        (
            f"{ALONE.format(STRAY, 'FAILED')}; {INTENT.format(STRAY)}",
            {"payments": 5, "charged_without_goods": 1},
        ),
        (
            f"{ALONE.format(STRAY, 'SUCCEEDED')}; {INTENT.format(STRAY)}",
            {"payments": 5},
        ),
        # What is still open may be refunded.
        (
            f"{ALONE.format(STRAY, 'CANCELLING')}; {INTENT.format(STRAY)}",
            {"payments": 5, "stuck": 2},
        ),
        (HOLD.format("HELD", DECLINED), {"units_leaked": 2}),
        (HOLD.format("COMMITTED", DECLINED), {"units_leaked": 2}),
        (f"DELETE FROM gateway.charges WHERE payment_ref = '{PAID}'", {"units_leaked": 2}),
        (
            f"UPDATE orders.orders SET stock_committed_at = NULL WHERE id = '{CONFIRMED}'",
            {"stuck": 2},
        ),
    ],
)
async def test_a_figure_counts_what_it_says(
    connection: asyncpg.Connection, database_url: str, sql: str, changed: dict[str, int]
):
    await fill(connection)
    await connection.execute(f"SET session_replication_role = replica; {sql}")
    expected = {name: getattr(AS_IT_SHOULD_BE, name) for name in Counts.__struct_fields__}
    assert await counts(database_url) == Counts(**{**expected, **changed})
