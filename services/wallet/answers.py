"""Answers in the form in which they are stored: status and bytes, problems with their code twice.

The problem's own `code` is in the shop's style (insufficient-funds), the one in its `error` member
in capitals (INSUFFICIENT_FUNDS)."""

import contextlib
from collections.abc import Iterator
from functools import partial
from uuid import UUID

import msgspec

from chassis.database.pool import DatabaseConflict, LockNotFree
from chassis.http.app import answer_exception
from chassis.http.problems import Problem, shed
from services.wallet import contract
from services.wallet.contract import TransactionView
from services.wallet.domain import (
    InsufficientFunds,
    Transaction,
    UnknownProvider,
    UnknownWallet,
)


class WalletReply(msgspec.Struct, frozen=True):
    """Status, bytes, and the transaction that it is about."""

    status_code: int
    body: bytes
    transaction_id: UUID | None
    outcome: str = "refused"
    replayed: bool = False


def capitals(code: str) -> str:
    """A code as the `error` member has it."""
    return code.upper().replace("-", "_")


answer_in_capitals = partial(answer_exception, spell=capitals)


def refusal_of(
    problem: Problem, transaction_id: UUID | None = None, outcome: str = ""
) -> WalletReply:
    """A problem as it is stored."""
    body = problem.body(error_code=capitals(problem.code))
    return WalletReply(problem.status, body, transaction_id, outcome or "refused")


def view(transaction: Transaction, dashboard_url: str) -> TransactionView:
    """The wire's struct, with a link to its trace."""
    trace_id = transaction.traceparent.split("-")[1] if transaction.traceparent else None
    shown = {name: getattr(transaction, name) for name in _SHOWN}
    return TransactionView(
        **shown,
        trace_id=trace_id,
        trace_url=f"{dashboard_url}/traces/{trace_id}" if trace_id else None,
    )


_SHOWN = tuple(
    name for name in TransactionView.__struct_fields__ if name not in ("trace_id", "trace_url")
)


def location_of(user_id: str, transaction_id: UUID) -> str:
    """Where a transaction is shown."""
    return f"/wallets/{user_id}/transactions/{transaction_id}"


def wallet_not_found(error: UnknownWallet) -> Problem:
    """404."""
    details = {"user_id": error.user_id, "currency": error.currency}
    return Problem(404, contract.WALLET_NOT_FOUND, "There is no such wallet", details=details)


def refused(error: Exception) -> Problem:
    """Why a wallet does not pay; nothing was held."""
    if isinstance(error, UnknownWallet):
        return wallet_not_found(error)
    if isinstance(error, UnknownProvider):
        return Problem(404, contract.PROVIDER_NOT_FOUND, "There is no such provider")
    if isinstance(error, InsufficientFunds):
        return Problem(
            409,
            contract.INSUFFICIENT_FUNDS,
            "The wallet has less available than this; nothing was taken",
            details={"available_minor": error.available_minor},
        )
    raise error


def answer_of(transaction: Transaction, dashboard_url: str) -> WalletReply:
    """What a decided payment is answered with, whoever decided it."""
    transaction_id = transaction.transaction_id
    if transaction.status == "APPROVED":
        body = msgspec.json.encode(view(transaction, dashboard_url))
        return WalletReply(201, body, transaction_id, "approved")
    details = {"transaction_id": transaction_id, "reason": transaction.reason}
    if transaction.status == "DECLINED":
        problem = Problem(
            402,
            contract.DECLINED,
            "The payment was declined; what was held is back in the wallet",
            details=details,
        )
        return refusal_of(problem, transaction_id, "declined")
    problem = Problem(
        502,
        contract.GATEWAY_ERROR,
        "The gateway failed; nothing was taken, and what was held is back in the wallet",
        details=details,
    )
    return refusal_of(problem, transaction_id, "gateway_error")


def not_known(transaction_id: UUID) -> WalletReply:
    """The outcome is not known yet, and is found out in the background."""
    problem = Problem(
        504,
        contract.GATEWAY_TIMEOUT,
        "The gateway has not answered: the money stays held until it is known whether it was taken."
        " Look at Location, or ask again with the same key",
        details={"transaction_id": transaction_id},
        retryable=True,
    )
    return refusal_of(problem, transaction_id, "unknown")


@contextlib.contextmanager
def refused_when_busy() -> Iterator[None]:
    """A lock that does not come in time, or a deadlock: rolled back, so nothing was done."""
    try:
        yield
    except (LockNotFree, DatabaseConflict):
        raise shed(
            "Too many want this wallet at once; nothing was done", code=contract.WALLET_BUSY
        ) from None
