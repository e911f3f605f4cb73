"""What an act may wait for or expect: the structs behind its conditions."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, defstruct

from topology import LIT, NAMES

COMPARED = r"^(<|<=|>|>=) ?[0-9]{1,9}$"

Amount = (
    Annotated[int, Meta(ge=0, le=1_000_000_000, description="exactly so many")]
    | Annotated[str, Meta(pattern=COMPARED, description="compared", examples=["> 0", "<= 3"])]
)
WalletUser = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
ProductId = Annotated[str, Meta(pattern=r"^[A-Z0-9][A-Z0-9-]{0,63}$")]


class Mapping(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A mapping of an act: an unknown key is a mistake, never ignored."""


def _per_service(name: str, doc: str, keys: Iterable[str], state: Any) -> Any:
    """A mapping with one optional state for each of these services of the topology."""
    fields = [(key, state | UnsetType, UNSET) for key in keys]
    return defstruct(
        name, fields, bases=(Mapping,), namespace={"__doc__": doc}, module=__name__, frozen=True
    )


# The services are those of the topology; a type checker, which cannot read it, sees plain types.
if TYPE_CHECKING:
    Lights = Mapping
    Services = Mapping
else:
    Lights = _per_service(
        "Lights",
        "The lights; red from one second on average or when more than 5 % of the requests failed, "
        "amber when more than 5 % are not decided yet, grey without traffic.",
        [each.key for each in LIT],
        Literal["green", "amber", "red", "grey"],
    )
    Services = _per_service(
        "Services",
        "The small dots beside the services' names.",
        NAMES,
        Literal["healthy", "degraded", "down"],
    )


class Orders(Mapping, frozen=True):
    """Orders placed since the act began, by how they stand in the order book now."""

    placed: Amount | UnsetType = UNSET
    open: Amount | UnsetType = UNSET
    pending_inventory: Amount | UnsetType = UNSET
    pending_payment: Amount | UnsetType = UNSET
    confirmed: Amount | UnsetType = UNSET
    declined: Amount | UnsetType = UNSET
    sold_out: Amount | UnsetType = UNSET
    failed: Amount | UnsetType = UNSET


class Responses(Mapping, frozen=True):
    """What the act's own customers were told: 201, 202, 402, 409, 503, or nothing clear."""

    confirmed: Amount | UnsetType = UNSET
    accepted: Amount | UnsetType = UNSET
    declined: Amount | UnsetType = UNSET
    sold_out: Amount | UnsetType = UNSET
    turned_away: Amount | UnsetType = UNSET
    unclear: Amount | UnsetType = UNSET


class Payments(Mapping, frozen=True):
    """Payments made since the act began, orders' included, by how they stand now. Of one that is
    open, the outcome is not decided; `unknown` are those of them that wait for an account which
    has not said what became of a part. `split` are those that succeeded in several parts. `in_part`
    are those that are decided and of which a part was kept, and not the whole."""

    made: Amount | UnsetType = UNSET
    open: Amount | UnsetType = UNSET
    unknown: Amount | UnsetType = UNSET
    succeeded: Amount | UnsetType = UNSET
    split: Amount | UnsetType = UNSET
    failed: Amount | UnsetType = UNSET
    cancelled: Amount | UnsetType = UNSET
    refunded: Amount | UnsetType = UNSET
    in_part: Amount | UnsetType = UNSET
    needs_review: Amount | UnsetType = UNSET


class Legs(Mapping, frozen=True):
    """Parts of payments made since the act began, each at its account, as they stand now. `moved`
    are those that went on to another account than the first."""

    held: Amount | UnsetType = UNSET
    captured: Amount | UnsetType = UNSET
    voided: Amount | UnsetType = UNSET
    declined: Amount | UnsetType = UNSET
    unknown: Amount | UnsetType = UNSET
    refunded: Amount | UnsetType = UNSET
    moved: Amount | UnsetType = UNSET


class PayerResponses(Mapping, frozen=True):
    """What the act's own payers were told: 200, 202, 402, 422, 503, or nothing clear."""

    paid: Amount | UnsetType = UNSET
    accepted: Amount | UnsetType = UNSET
    declined: Amount | UnsetType = UNSET
    refused: Amount | UnsetType = UNSET
    turned_away: Amount | UnsetType = UNSET
    unclear: Amount | UnsetType = UNSET


class SpenderResponses(Mapping, frozen=True):
    """What the act's own spenders were told last: 201, 409 (the wallet has not enough), 402, 502
    (the gateway failed, nothing was taken), another no, 503, or nothing clear."""

    paid: Amount | UnsetType = UNSET
    no_money: Amount | UnsetType = UNSET
    declined: Amount | UnsetType = UNSET
    not_taken: Amount | UnsetType = UNSET
    refused: Amount | UnsetType = UNSET
    turned_away: Amount | UnsetType = UNSET
    unclear: Amount | UnsetType = UNSET


class TokenResponses(Mapping, frozen=True):
    """What those were told who showed a token in the act: 2xx; 401 with `bad-token`; 403 with
    `role-missing`; 400 with `invalid_grant`, where a refresh token is not good; another no, or
    nothing clear."""

    let_in: Amount | UnsetType = UNSET
    bad_token: Amount | UnsetType = UNSET
    role_missing: Amount | UnsetType = UNSET
    invalid_grant: Amount | UnsetType = UNSET
    unclear: Amount | UnsetType = UNSET


class AuditCondition(Mapping, frozen=True):
    """Lines that the audit log has got since the act began: logins that were ended before their
    time, and signing keys that were withdrawn."""

    logins_revoked: Amount | UnsetType = UNSET
    keys_withdrawn: Amount | UnsetType = UNSET


class WalletCondition(Mapping, frozen=True):
    """One wallet that the act fills or spends from: minor units available and held now; payments
    from it since the act began that were taken, and that are not decided."""

    user: WalletUser
    available: Amount | UnsetType = UNSET
    held: Amount | UnsetType = UNSET
    paid: Amount | UnsetType = UNSET
    open: Amount | UnsetType = UNSET


class Alerts(Mapping, frozen=True):
    """The platform's own alerts, named as in Prometheus."""

    SlaLightRed: Literal["firing", "quiet"] | UnsetType = UNSET
    ServiceDown: Literal["firing", "quiet"] | UnsetType = UNSET
    ReconcilerLag: Literal["firing", "quiet"] | UnsetType = UNSET
    InvariantViolated: Literal["firing", "quiet"] | UnsetType = UNSET


class StockCondition(Mapping, frozen=True):
    """One product: units left and reserved now, units sold since the act began."""

    product: ProductId
    left: Amount | UnsetType = UNSET
    reserved: Amount | UnsetType = UNSET
    sold: Amount | UnsetType = UNSET


class Events(Mapping, frozen=True):
    """Events on their way, now: committed and not published; published and not taken by the
    consumer that is furthest behind; put aside."""

    unpublished: Amount | UnsetType = UNSET
    behind: Amount | UnsetType = UNSET
    parked: Amount | UnsetType = UNSET


class TwinCounts(Mapping, frozen=True):
    """What came of the unsafe twin beside the shop: purchases that are not over, that were charged
    twice, that were charged for nothing; units that nobody can buy and nobody has."""

    orders: Amount | UnsetType = UNSET
    payments: Amount | UnsetType = UNSET
    stuck: Amount | UnsetType = UNSET
    charged_twice: Amount | UnsetType = UNSET
    charged_without_goods: Amount | UnsetType = UNSET
    units_leaked: Amount | UnsetType = UNSET


# What a condition is about, where it is about one of many.
NAMING = frozenset({"product", "user"})
# Those that hold nothing but numbers that are counted.
COUNTED = (
    Orders
    | Responses
    | Payments
    | Legs
    | PayerResponses
    | SpenderResponses
    | TokenResponses
    | AuditCondition
    | StockCondition
    | WalletCondition
    | Events
    | TwinCounts
)


_WRITTEN = {"responses": "told", "payer_responses": "payers", "spender_responses": "spenders",
            "token_responses": "tokens"}  # fmt: skip


class Condition(Mapping, frozen=True, rename=_WRITTEN):
    """What must be true, all of it at once. Money is in minor units; bites are those of all
    gremlins since the act began."""

    lights: Lights | UnsetType = UNSET
    services: Services | UnsetType = UNSET
    orders: Orders | UnsetType = UNSET
    responses: Responses | UnsetType = UNSET
    payments: Payments | UnsetType = UNSET
    legs: Legs | UnsetType = UNSET
    payer_responses: PayerResponses | UnsetType = UNSET
    spender_responses: SpenderResponses | UnsetType = UNSET
    token_responses: TokenResponses | UnsetType = UNSET
    audit: AuditCondition | UnsetType = UNSET
    wallet: WalletCondition | UnsetType = UNSET
    alerts: Alerts | UnsetType = UNSET
    stock: StockCondition | UnsetType = UNSET
    money_in_doubt: Amount | UnsetType = UNSET
    bites: Amount | UnsetType = UNSET
    events: Events | UnsetType = UNSET
    twin: TwinCounts | UnsetType = UNSET
    promises: Literal["hold", "unbroken"] | UnsetType = UNSET
