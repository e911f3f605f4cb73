"""Seeded random changes of the tables, as somebody might make them by hand."""

import random
from typing import Any

import asyncpg

from tests.proof.rows import CONFIRMED, DECLINED, PENDING, REFUNDED, payment_of

_ORDERS = [str(each) for each in (CONFIRMED, DECLINED, REFUNDED, PENDING)]
_PAYMENTS = [str(payment_of(each)) for each in (CONFIRMED, DECLINED, REFUNDED, PENDING)]
_STRAY = "00000000-0000-4000-8000-0000000000ff"
_IDS = [f"'{each}'::uuid" for each in (*_ORDERS, _STRAY)]
_PAYMENT_IDS = [f"'{each}'::uuid" for each in (*_PAYMENTS, _STRAY)]
_STATES = ["HELD", "COMMITTED", "RELEASED", "REJECTED"]
_PAYMENT = ["PROCESSING", "SUCCEEDED", "FAILED", "CANCELLED", "REFUND_PENDING", "REFUNDED"]
_ATTEMPT = ["IN_FLIGHT", "UNKNOWN", "SUCCEEDED", "FAILED", "VOIDED", "REFUNDED"]
_STATUS = ["PENDING", "PENDING_PAYMENT", "CONFIRMED", "CANCELLING", "FAILED"]
_KEYS = [f"'pay_{each}:1:{n}'" for each in _PAYMENTS for n in (1, 2)]
_KEYS += [f"'ord_{each}:1'" for each in _PAYMENTS]
_AMOUNTS = ["1", "-1", "19998", "-19998", "NULL"]


def _quoted(values: list[str]) -> list[str]:
    return [f"'{value}'" for value in values]


# The columns of each table that some promise reads, and values to set them to.
_TABLES: dict[str, dict[str, list[str]]] = {
    "orders.orders": {
        "id": _IDS, "payment_id": _PAYMENT_IDS, "status": _quoted(_STATUS),
        "version": ["version + 1", "version", "0"],
        "amount_minor": _AMOUNTS, "quantity": ["1", "2"], "stock_committed_at": ["now()", "NULL"],
    },
    "orders.history": {
        "order_id": _IDS, "version": ["0", "1", "2", "3"], "src": ["NULL", *_quoted(_STATUS)],
        "dst": _quoted(_STATUS),
    },
    "orders.idempotency": {
        "order_id": [*_IDS, "NULL"], "key": ["'the-first-key-of-all'", "'a-third-key-of-all'"],
        "status_code": ["201", "202", "402", "NULL"], "response": ["''", "NULL"],
    },
    "inventory.reservations": {
        "order_id": _IDS, "state": _quoted(_STATES), "quantity": ["1", "2", "3"],
        "product_id": ["'PROD-001'", "'PROD-002'"],
    },
    "payments.payments": {
        "payment_id": _PAYMENT_IDS, "order_id": [*_IDS, "NULL"], "state": _quoted(_PAYMENT),
        "amount_minor": _AMOUNTS, "made_by": ["'hand'", "'order-service'"],
        "cancel_reason": ["'REFUND'", "NULL"],
    },
    "payments.legs": {
        "payment_id": _PAYMENT_IDS, "leg_n": ["1", "2"], "amount_minor": _AMOUNTS,
        "currency": ["'EUR'", "'USD'"], "provider": ["'mock'", "'flaky'"],
    },
    "payments.decisions": {
        "payment_id": _PAYMENT_IDS, "n": ["1", "2"], "leg_n": ["1", "2"],
        "provider": ["'mock'", "'flaky'"],
    },
    "payments.attempts": {
        "payment_id": _PAYMENT_IDS, "leg_n": ["1", "2"], "n": ["1", "2"], "gw_key": _KEYS,
        "state": _quoted(_ATTEMPT),
        "amount_minor": _AMOUNTS,
    },
    "payments.attempt_history": {
        "payment_id": _PAYMENT_IDS, "leg_n": ["1", "2"], "src": ["NULL", *_quoted(_ATTEMPT)],
        "dst": _quoted(_ATTEMPT),
    },
    "payments.ledger": {
        "payment_id": _PAYMENT_IDS, "leg_n": ["1", "2"],
        "kind": ["'capture'", "'refund'", "'fee'"], "line": ["1", "2", "3"],
        "amount_minor": _AMOUNTS,
        "account": ["'gateway_clearing'", "'merchant'"], "currency": ["'EUR'", "'USD'"],
    },
    "gateway.charges": {
        "gw_key": _KEYS, "payment_ref": [*_quoted(_PAYMENTS), "'nobody'"], "amount_minor": _AMOUNTS,
        "state": ["'CAPTURED'", "'DECLINED'", "'VOIDED'", "'REFUNDED'"],
    },
}  # fmt: skip
_CONSTRAINTS = """
SELECT conrelid::regclass::text AS table_name, conname FROM pg_constraint
WHERE conrelid::regclass::text = ANY ($1::text[]) AND contype IN ('c', 'p', 'u', 'f')
ORDER BY contype = 'p', conname"""


class Tamperer:
    """A connection, and a seed that decides which changes are made through it."""

    def __init__(self, connection: asyncpg.Connection, seed: int) -> None:
        self._connection = connection
        self._random = random.Random(seed)
        self.statements: list[str] = []

    async def prepare(self) -> None:
        """Often without triggers, sometimes without a few constraints as well."""
        if self._random.random() < 0.8:
            await self._try("SET session_replication_role = replica")
        if self._random.random() < 0.6:
            for row in await self._connection.fetch(_CONSTRAINTS, list(_TABLES)):
                if self._random.random() < 0.7:
                    await self._try(
                        f"ALTER TABLE {row['table_name']} DROP CONSTRAINT {row['conname']} CASCADE"
                    )

    async def act(self) -> None:
        """One change that the database accepts; many are refused."""
        while not await self._try(self._statement()):
            pass

    def _statement(self) -> str:
        table = self._random.choice(list(_TABLES))
        columns = _TABLES[table]
        row = f"ctid = (SELECT ctid FROM {table} ORDER BY random() LIMIT 1)"
        chance = self._random.random()
        if chance < 0.15:
            return f"DELETE FROM {table} WHERE {row}"
        if chance < 0.17:
            return f"TRUNCATE {table} CASCADE"
        changes = {
            name: self._random.choice(columns[name])
            for name in self._random.sample(list(columns), self._random.randint(1, 2))
        }
        if chance < 0.4:
            return self._copy(table, row, changes)
        set_ = ", ".join(f"{name} = {value}" for name, value in changes.items())
        return f"UPDATE {table} SET {set_} WHERE {row}"

    def _copy(self, table: str, row: str, changes: dict[str, str]) -> str:
        set_ = ", ".join(f"{name} = {value}" for name, value in changes.items())
        number = ", id = 1000 + random() * 1e9" if table == "payments.attempt_history" else ""
        return (
            f"CREATE TEMP TABLE copied AS SELECT * FROM {table} WHERE {row};"
            f"UPDATE copied SET changed_in = pg_current_xact_id(), {set_}{number};"
            f"INSERT INTO {table} OVERRIDING SYSTEM VALUE SELECT * FROM copied;"
            "DROP TABLE copied"
        )

    async def _try(self, sql: str) -> bool:
        try:
            done: Any = await self._connection.execute(sql)
        except asyncpg.PostgresError:
            return False
        self.statements.append(sql)
        return not done.endswith(" 0")
