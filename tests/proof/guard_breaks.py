"""How the guards of the database are taken away or weakened."""

from tests.proof.breaks import Break

_NOTHING = "RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN coalesce(NEW, OLD); END $$;"


def _guard(how: str, sql: str, cell: tuple[str, str]) -> Break:
    return Break("I30", how, sql, cell)


GUARD_BREAKS = (
    _guard(
        "a trigger dropped",
        "DROP TRIGGER guard_order ON orders.orders",
        ("guard", "trigger guard_order on orders.orders"),
    ),
    _guard(
        "a trigger off",
        "ALTER TABLE payments.attempts DISABLE TRIGGER guard_attempt",
        ("guard", "trigger guard_attempt on payments.attempts"),
    ),
    _guard(
        "a trigger made anew under a condition that is never met",
        "DROP TRIGGER guard_payment ON payments.payments;"
        "CREATE TRIGGER guard_payment BEFORE UPDATE ON payments.payments FOR EACH ROW"
        " WHEN (false) EXECUTE FUNCTION payments.guard_payment()",
        ("guard", "trigger guard_payment on payments.payments"),
    ),
    _guard(
        "a trigger that no migration made",
        f"CREATE FUNCTION orders.quiet() {_NOTHING}"
        "CREATE TRIGGER a_quiet BEFORE UPDATE ON orders.orders"
        " FOR EACH ROW EXECUTE FUNCTION orders.quiet()",
        ("made", "not made"),
    ),
    _guard(
        "a function that refuses nothing",
        f"CREATE OR REPLACE FUNCTION orders.refuse_change() {_NOTHING}",
        ("guard", "function orders.refuse_change"),
    ),
    _guard(
        "a guard that refuses nothing",
        f"CREATE OR REPLACE FUNCTION orders.guard_order() {_NOTHING}",
        ("guard", "function orders.guard_order"),
    ),
    _guard(
        "a unique index dropped",
        "DROP INDEX payments.one_live_attempt",
        ("guard", "index one_live_attempt on payments.attempts"),
    ),
    _guard(
        "a unique constraint dropped",
        "ALTER TABLE orders.orders DROP CONSTRAINT one_order_a_payment",
        ("guard", "index one_order_a_payment on orders.orders"),
    ),
    _guard(
        "a check dropped",
        "ALTER TABLE orders.orders DROP CONSTRAINT amount_is_price_times_quantity",
        ("guard", "constraint amount_is_price_times_quantity on orders.orders"),
    ),
    _guard(
        "a foreign key whose triggers are off",
        "ALTER TABLE payments.attempts DISABLE TRIGGER ALL;"
        "ALTER TABLE payments.attempts ENABLE TRIGGER USER;"
        "ALTER TABLE payments.attempts ENABLE ALWAYS TRIGGER mark_change,"
        " ENABLE ALWAYS TRIGGER note_truncation",
        ("guard", "constraint attempts_leg_fkey on payments.attempts"),
    ),
    _guard(
        "a row that marks itself as older",
        "ALTER TABLE orders.orders ALTER changed_in SET DEFAULT '1'",
        ("guard", "mark on orders.orders"),
    ),
    _guard(
        "a rule that swallows a statement",
        "CREATE RULE nothing AS ON DELETE TO orders.gremlin_audit DO INSTEAD NOTHING",
        ("guard", "rule nothing on orders.gremlin_audit"),
    ),
    _guard(
        "a way from an end of an order",
        "INSERT INTO orders.transitions VALUES ('FAILED', 'CONFIRMED')",
        ("guard", "order from FAILED to CONFIRMED"),
    ),
    _guard(
        "a way from an end of an attempt",
        "INSERT INTO payments.transitions VALUES ('attempt', 'FAILED', 'SUCCEEDED')",
        ("guard", "attempt from FAILED to SUCCEEDED"),
    ),
)
