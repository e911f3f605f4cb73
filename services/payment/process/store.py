"""Merchants' requests and plans in SQL."""

from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text

from chassis.database.pool import Connection, Row, statement
from services.payment.process.messages import PaymentPlan

_FIND = statement(
    text(
        "SELECT request_hash, payment_id, status_code, answer FROM payments.requests"
        " WHERE merchant_id = :merchant_id AND request_id = :request_id AND owner = :owner"
    ),
    "SELECT payments.requests",
)
_CLAIM = statement(
    text(
        "INSERT INTO payments.requests"
        "   (merchant_id, request_id, owner, request_hash, payment_id, status_code, answer, inputs)"
        " VALUES (:merchant_id, :request_id, :owner, :request_hash, :payment_id, :status_code,"
        "   :answer, nullif(:inputs ::jsonb, 'null'))"
        " ON CONFLICT (merchant_id, request_id, owner) DO NOTHING"
    ),
    "INSERT payments.requests",
)
# The first final answer stays, whoever comes second.
_KEEP = statement(
    text(
        "UPDATE payments.requests SET status_code = :status_code, answer = :answer"
        " WHERE merchant_id = :merchant_id AND request_id = :request_id AND owner = :owner"
        " AND answer IS NULL"
    ),
    "UPDATE payments.requests",
)
_PLAN = statement(
    text(
        "INSERT INTO payments.plans (payment_id, plan_n, merchant_id, policy_version, inputs, legs,"
        "   certificate, methods)"
        " VALUES (:payment_id, :plan_n, :merchant_id, :policy_version, :inputs ::jsonb,"
        "   :legs ::jsonb, :certificate ::jsonb, :methods ::jsonb)"
    ),
    "INSERT payments.plans",
)
_PLAN_OF = statement(
    text(
        "SELECT plan_n, inputs, legs, certificate FROM payments.plans"
        " WHERE payment_id = :payment_id ORDER BY plan_n DESC LIMIT 1"
    ),
    "SELECT payments.plans",
)

_STORED_PLAN = statement(
    text(
        "SELECT merchant_id, policy_version, inputs, methods,"
        "   (SELECT text FROM payments.policies WHERE version = policy_version) AS policy_text"
        " FROM payments.plans WHERE payment_id = :payment_id ORDER BY plan_n DESC LIMIT 1"
    ),
    "SELECT payments.plans",
)


class RequestId(msgspec.Struct, frozen=True):
    """A merchant's own name for its request, which is its owner's: another owner's request of the
    same name is another request."""

    merchant_id: str
    request_id: str
    owner: str


class StoredRequest(msgspec.Struct, frozen=True):
    """What is known of a request that came before; its answer, once that is final."""

    request_hash: bytes
    payment_id: UUID | None
    status_code: int | None
    answer: bytes | None


class StoredPlan(msgspec.Struct, frozen=True):
    """What a plan was decided from; `methods` is what the customer pays with at each account."""

    merchant_id: str
    policy_version: str | None
    inputs: dict[str, Any]
    methods: dict[str, str]
    policy_text: str | None


async def find(connection: Connection, request: RequestId) -> StoredRequest | None:
    """The request, if it came before."""
    row: Row | None = await connection.row(_FIND, **msgspec.structs.asdict(request))
    return None if row is None else StoredRequest(**dict(row))


async def claim(
    tx: Connection,
    request: RequestId,
    request_hash: bytes,
    *,
    payment_id: UUID | None,
    status_code: int | None = None,
    answer: bytes | None = None,
    inputs: dict[str, Any] | None = None,
) -> bool:
    """Claim the name for a payment, or for an answer that needs none and `inputs` that it was
    decided from; false where it is taken."""
    inserted = await tx.execute(
        _CLAIM,
        **msgspec.structs.asdict(request),
        request_hash=request_hash,
        payment_id=payment_id,
        status_code=status_code,
        answer=answer,
        inputs=inputs,
    )
    return inserted > 0


async def keep(connection: Connection, request: RequestId, status_code: int, answer: bytes) -> bool:
    """Keep a final answer; false where there is one, which stays."""
    names = msgspec.structs.asdict(request)
    kept = await connection.execute(_KEEP, **names, status_code=status_code, answer=answer)
    return kept > 0


async def keep_plan(tx: Connection, payment_id: UUID, *, plan: PaymentPlan, **why: Any) -> None:
    """A payment's plan, with `why`: what it was decided from."""
    parts = msgspec.to_builtins(plan)
    await tx.execute(
        _PLAN,
        payment_id=payment_id,
        plan_n=plan.plan_n,
        legs=parts["steps"],
        certificate=parts["certificate"],
        **why,
    )


async def plan_of(connection: Connection, payment_id: UUID) -> tuple[PaymentPlan, dict[str, Any]]:
    """The payment's plan, and the inputs it was decided from."""
    row = await connection.row(_PLAN_OF, payment_id=payment_id)
    if row is None:
        raise LookupError(f"payment {payment_id} has no plan")
    parts = {name: row[name] for name in ("plan_n", "certificate")}
    return msgspec.convert({**parts, "steps": row["legs"]}, PaymentPlan), row["inputs"]


async def stored_plan(connection: Connection, payment_id: UUID) -> StoredPlan | None:
    """The newest plan of a payment with its policy; None of one that nobody planned."""
    row = await connection.row(_STORED_PLAN, payment_id=payment_id)
    return None if row is None else StoredPlan(**dict(row))
