"""Money that other services of the shop hold in wallets: a wallet as a payment method.

The key is theirs, one for each attempt, and the row of the key is the record of what was answered.
The first request under a key decides: a refusal is kept as well, and a void of a key that was never
seen leaves a tombstone, so that a request to hold that comes late finds its key taken.

A hold is the application's that made it: to another it is as if nobody had used the key."""

import logging
from collections.abc import Awaitable, Callable

from chassis.database.pool import Connection, Database
from chassis.telemetry.context import current_traceparent
from services.wallet import contract, hold_store, store
from services.wallet.answers import refused_when_busy
from services.wallet.contract import HoldState, PlaceHold
from services.wallet.domain import (
    InsufficientFunds,
    UnknownWallet,
    Wallet,
    WalletHold,
    WrongCurrency,
    demand_funds,
)
from services.wallet.paying import note_transaction
from services.wallet.sealer import Sealer

logger = logging.getLogger(__name__)

Move = Callable[[Connection, str], Awaitable[WalletHold | None]]


class UnknownHold(Exception):
    """The application has not used this key."""


class HoldKeyReused(Exception):
    """The key was used for another hold."""


class HoldResolved(Exception):
    """The hold has ended otherwise, or was refused: `hold` says how it stands."""

    def __init__(self, hold: WalletHold) -> None:
        super().__init__(hold.hold_key)
        self.hold = hold


class Holds:
    """Places holds and ends them, each in one transaction."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    async def find(self, key: str, application: str) -> WalletHold:
        """What the key has become. Raises `UnknownHold`."""
        async with self._database.connect() as connection:
            return _owned(key, await hold_store.find(connection, key), application)

    async def place(self, key: str, asked: PlaceHold, application: str) -> WalletHold:
        """Hold the money, and take it where that is asked for. Raises `HoldKeyReused`, and
        `HoldResolved` where it was refused or has ended otherwise."""
        with refused_when_busy():
            async with self._database.begin(for_caller=True) as tx:
                hold = await hold_store.lock(tx, key) or await self._new(
                    tx, key, asked, application
                )
                if not hold.belongs_to(application) or not _is_asked(hold, asked):
                    raise HoldKeyReused(key)
                if asked.capture and hold.state == "HELD":
                    hold = await hold_store.post(tx, key) or hold
        self._note("placed", hold)
        return _demand(hold, {"HELD", "POSTED"})

    async def _new(
        self, tx: Connection, key: str, asked: PlaceHold, application: str
    ) -> WalletHold:
        placed: WalletHold | None
        try:
            wallet = await self._wallet(tx, asked)
        except (UnknownWallet, InsufficientFunds) as error:
            placed = await hold_store.refuse(tx, key, asked, _reason(error), application)
        else:
            placed = await hold_store.place(
                tx, key, asked, wallet, application, current_traceparent()
            )
        # Whoever took the key meanwhile has committed by now.
        return placed or _found(key, await hold_store.lock(tx, key))

    async def _wallet(self, tx: Connection, asked: PlaceHold) -> Wallet:
        try:
            wallet = await store.lock_wallet(tx, asked.user_id, asked.currency)
        except UnknownWallet:
            if await hold_store.has_wallets(tx, asked.user_id):
                raise WrongCurrency(asked.user_id, asked.currency) from None
            raise
        demand_funds(wallet, asked.amount)
        return wallet

    async def capture(self, key: str, application: str) -> WalletHold:
        """Take what is held. Raises `UnknownHold` or `HoldResolved`."""
        return await self._end(key, application, hold_store.post, {"POSTED"})

    async def void(self, key: str, application: str) -> WalletHold:
        """Give back what is held; a key that is new finds its end here. Raises `UnknownHold`
        where another application made it, or `HoldResolved`."""
        with refused_when_busy():
            async with self._database.begin() as tx:
                hold = _owned(
                    key,
                    await hold_store.plant_tombstone(tx, key, application)
                    or await hold_store.void(tx, key)
                    or await hold_store.lock(tx, key),
                    application,
                )
        self._note("voided", hold)
        return _demand(hold, {"VOIDED", "REFUSED"})

    async def refund(self, key: str, application: str) -> WalletHold:
        """Give back what was taken. Raises `UnknownHold` or `HoldResolved`."""
        hold = await self._end(key, application, hold_store.refund, {"REFUNDED"})
        self._sealer.ring()
        return hold

    async def _end(
        self, key: str, application: str, move: Move, ends: set[HoldState]
    ) -> WalletHold:
        with refused_when_busy():
            async with self._database.begin() as tx:
                moved = await move(tx, key) or await hold_store.lock(tx, key)
                # Another's hold is as it was: the transaction is rolled back.
                hold = _owned(key, moved, application)
        self._note(move.__name__, hold)
        return _demand(hold, ends)

    def _note(self, what: str, hold: WalletHold) -> None:
        note_transaction(hold.transaction_id, hold.state.lower())
        logger.info(
            "wallet hold %s",
            what,
            extra={
                "hold_key": hold.hold_key,
                "state": hold.state,
                "user_id": hold.user_id,
                "currency": hold.currency,
                "amount_minor": hold.amount_minor,
                "external_reference": hold.reference,
                "transaction_id": str(hold.transaction_id or ""),
            },
        )


def _found(key: str, hold: WalletHold | None) -> WalletHold:
    if hold is None:
        raise UnknownHold(key)
    return hold


def _owned(key: str, hold: WalletHold | None, application: str) -> WalletHold:
    found = _found(key, hold)
    if not found.belongs_to(application):
        raise UnknownHold(key)
    return found


def _demand(hold: WalletHold, states: set[HoldState]) -> WalletHold:
    if hold.state not in states:
        raise HoldResolved(hold)
    return hold


def _is_asked(hold: WalletHold, asked: PlaceHold) -> bool:
    """Whether it is what is asked for; a tombstone is whatever is asked for."""
    meant = (asked.user_id, asked.amount, asked.currency, asked.reference)
    placed = (hold.user_id, hold.amount_minor, hold.currency, hold.reference)
    return hold.amount_minor is None or placed == meant


def _reason(error: UnknownWallet | InsufficientFunds) -> str:
    if isinstance(error, InsufficientFunds):
        return contract.INSUFFICIENT_FUNDS
    is_other = isinstance(error, WrongCurrency)
    return contract.WRONG_CURRENCY if is_other else contract.WALLET_NOT_FOUND
