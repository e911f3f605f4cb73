"""What an act may say: the structs behind scenarios/*.yaml, and behind their JSON Schema."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from chassis.faults.kinds import Kind
from scenarios.condition_model import Condition, Mapping, ProductId, WalletUser
from services.payment.contract import Currency
from services.wallet.contract import MAX_AMOUNT_MINOR, ProviderId
from services.wallet.contract import Currency as WalletCurrency
from topology import NAMES, SERVICES

_UNITS = {"ms": 0.001, "s": 1.0, "min": 60.0}
DURATION = r"^[0-9]{1,4}(\.[0-9]{1,3})?(ms|s|min)$"

Duration = Annotated[
    str, Meta(pattern=DURATION, description="500ms, 3s or 2min", examples=["500ms", "3s", "2min"])
]
Title = Annotated[str, Meta(min_length=1, max_length=80)]
MerchantId = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
AccountName = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
# The modes of the acquirer (docs/acquirer.md): each says what happens to a write.
# YAML reads 500 as a number; nobody means another one.
AccountMode = Literal["happy", "latency", "declined", "500", "timeout", "random", 500]
# What an act shows to be let in; the last two are for whoever gives tokens.
TokenKind = Literal["good", "withdrawn", "other_key", "forged_role", "refresh", "spent"]
# The shop with one rule taken away (twins/): what is done to ours is done to it as well.
TwinName = Literal["naive", "retry-next-provider", "fail-when-old"]
# The parts of the overview that the audience can be told to look at.
Look = Literal[
    "health",
    "bar",
    "lights",
    "figures",
    "gremlins",
    "shop",
    "orders",
    "proof",
    "charts",
]


# A list that customers may ask each of these services for.
OPEN_LISTS = {
    each.key: door.path
    for each in SERVICES
    for door in each.doors
    if door.method == "GET" and door.path.count("/") == 1 and not door.takes_key
}


def seconds(text: str) -> float:
    """A duration of an act in seconds."""
    number = text.rstrip("mins")
    return float(number) * _UNITS[text[len(number) :]]


# The services are those of the topology; a type checker, which cannot read it, sees plain types.
if TYPE_CHECKING:
    Service = str
    Restartable = str
    ShownTo = str
else:
    Service = Literal[tuple(NAMES)]
    Restartable = Literal[(*NAMES, "postgres")]
    ShownTo = Literal[tuple(OPEN_LISTS)]


class Load(Mapping, frozen=True, rename={"for_": "for"}):
    """Customers. With `count` the act goes on once each has an answer; with `rate` (orders per
    second) they keep coming in the background for as long as `for` says."""

    product: ProductId
    quantity: Annotated[int, Meta(ge=1, le=1000)] = 1
    rate: Annotated[float, Meta(gt=0, le=50)] | UnsetType = UNSET
    for_: Duration | UnsetType = UNSET
    count: Annotated[int, Meta(ge=1, le=5000)] | UnsetType = UNSET
    clients: Annotated[int, Meta(ge=1, le=200, description="at once")] = 50
    tries: Annotated[int, Meta(ge=1, le=50, description="orders of one who is told no")] = 1


class Pay(Mapping, frozen=True, rename={"for_": "for"}):
    """Payers of a merchant, without an order. With `count` the act goes on once each has an answer;
    with `rate` (payments per second) they keep coming in the background for as long as `for`
    says. `amount` is in minor units."""

    merchant: MerchantId
    amount: Annotated[int, Meta(ge=1, le=1_000_000_000)]
    currency: Currency = "EUR"
    rate: Annotated[float, Meta(gt=0, le=50)] | UnsetType = UNSET
    for_: Duration | UnsetType = UNSET
    count: Annotated[int, Meta(ge=1, le=5000)] | UnsetType = UNSET
    clients: Annotated[int, Meta(ge=1, le=200, description="at once")] = 50
    metadata: Annotated[dict[str, str | int | float | bool], Meta(max_length=50)] = field(
        default_factory=dict
    )


class FillWallet(Mapping, frozen=True):
    """What a wallet has to spend before the story begins, in minor units: put in if missing, paid
    to a provider if too much. The first deposit opens it."""

    user: WalletUser
    exactly: Annotated[int, Meta(ge=1, le=MAX_AMOUNT_MINOR)]
    currency: WalletCurrency = "EUR"


class Spend(Mapping, frozen=True, rename={"for_": "for"}):
    """Payers of a provider, all from one wallet. With `count` the act goes on once each has a clear
    answer; with `rate` (payments per second) they keep coming in the background for as long as
    `for` says. `amount` is in minor units. Who is told no tries again while money may come back: it
    is held for somebody else, or his own was not taken."""

    user: WalletUser
    amount: Annotated[int, Meta(ge=1, le=MAX_AMOUNT_MINOR)]
    provider: ProviderId = "demo-provider"
    currency: WalletCurrency = "EUR"
    rate: Annotated[float, Meta(gt=0, le=50)] | UnsetType = UNSET
    for_: Duration | UnsetType = UNSET
    count: Annotated[int, Meta(ge=1, le=5000)] | UnsetType = UNSET
    clients: Annotated[int, Meta(ge=1, le=200, description="at once")] = 50
    tries: Annotated[
        int,
        Meta(
            ge=1, le=50, description="payments of one who is told no while money is held for others"
        ),
    ] = 1


class ShowToken(Mapping, frozen=True):
    """Somebody who shows a token, so many times one after the other: an access token to a service,
    or a refresh token to whoever gives others for it. The act makes a user of its own, a shopper,
    who has logged in. `good` and `refresh` are theirs as they were given; `withdrawn`
    was, until an operator withdrew the key that it is signed with, now; `other_key` is signed
    with a key that is not published; `forged_role` is the good one with another role written into
    it; `spent` is a refresh token that has had its successor."""

    token: TokenKind
    service: ShownTo = "order"
    count: Annotated[int, Meta(ge=1, le=100)] = 1


class SetAccount(Mapping, frozen=True):
    """How one of the acquirer's accounts answers from now on; when the act is over, or at `calm`,
    it answers again as it did before."""

    name: AccountName
    mode: AccountMode


class Shelf(Mapping, frozen=True):
    """Units on the shelf before the story begins: delivered if missing, sold if too many."""

    product: ProductId
    at_least: Annotated[int, Meta(ge=1, le=100_000)] | UnsetType = UNSET
    exactly: Annotated[int, Meta(ge=1, le=100_000)] | UnsetType = UNSET


class LetLoose(Mapping, frozen=True):
    """A gremlin; it ends after `ttl` whatever becomes of the act."""

    service: Service
    kind: Kind
    ttl: Duration
    delay: Duration | UnsetType = UNSET
    jitter: Duration | UnsetType = UNSET
    share: Annotated[int, Meta(ge=1, le=100, description="% of requests")] = 100
    status: Literal[500, 503] | UnsetType = UNSET
    routes: Annotated[list[str], Meta(min_length=1, max_length=8)] | UnsetType = UNSET


class Wait(Mapping, frozen=True):
    """Go on once this is true; if it is not within `limit`, the act has failed."""

    until: Condition
    limit: Duration


class Kill(Mapping, frozen=True):
    """Kill one service as kill -9 does; it is started again after `away`."""

    service: Service
    away: Duration


class Restart(Mapping, frozen=True):
    """Stop a process in order, and start it again after `away`."""

    process: Restartable
    away: Duration


class Action(Mapping, frozen=True):
    """One thing that happens: exactly one of these fields is set."""

    shelf: Shelf | UnsetType = UNSET
    load: Load | UnsetType = UNSET
    pay: Pay | UnsetType = UNSET
    wallet: FillWallet | UnsetType = UNSET
    spend: Spend | UnsetType = UNSET
    show: ShowToken | UnsetType = UNSET
    gremlin: LetLoose | UnsetType = UNSET
    account: SetAccount | UnsetType = UNSET
    wait: Wait | UnsetType = UNSET
    expect: Condition | UnsetType = UNSET
    kill: Kill | UnsetType = UNSET
    restart: Restart | UnsetType = UNSET


PlainAction = Literal["calm", "stop load"]
# What is done to the shop and is over at once, or goes on by itself.
Happening = Load | Pay | Spend | ShowToken | LetLoose | SetAccount
# Those of whom many come.
Coming = Load | Pay | Spend
Instruction = Happening | Shelf | FillWallet | Wait | Condition | Kill | Restart | PlainAction


class ActStep(Mapping, frozen=True):
    """What one press of Next does, what the speaker says meanwhile, where the audience looks."""

    title: Title
    say: Annotated[str, Meta(min_length=1, max_length=2000)]
    look: Look | UnsetType = UNSET
    do: Annotated[list[Action | PlainAction], Meta(max_length=8)] = field(default_factory=list)


class Act(Mapping, frozen=True, kw_only=True):
    """A demo written down; with `twin`, an unsafe twin is played beside the shop. It always ends
    calm: every gremlin is called off at its end, and every account answers as it did before."""

    title: Title
    teaches: Annotated[str, Meta(min_length=1, max_length=400)]
    place: Annotated[int, Meta(ge=1, le=99, description="in the list of acts")] = 99
    twin: TwinName | UnsetType = UNSET
    steps: Annotated[list[ActStep], Meta(min_length=1, max_length=20)]

    def actions(self) -> Iterator[tuple[int, int, Instruction]]:
        """(step, place in it, what is done) of everything in order."""
        for at, step in enumerate(self.steps):
            for place, action in enumerate(step.do):
                yield at, place, instruction_of(action)


def given_fields(struct: Struct) -> Iterator[tuple[str, object]]:
    """The fields of a mapping that are in the file, by the names they have there."""
    names = zip(struct.__struct_fields__, struct.__struct_encode_fields__, strict=True)
    for name, written in names:
        value = getattr(struct, name)
        if value is not UNSET:
            yield written, value


def instruction_of(action: Action | PlainAction) -> Instruction:
    """What an action does: the one field that is set."""
    if isinstance(action, str):
        return action
    return next(value for _, value in given_fields(action))  # type: ignore[misc]
