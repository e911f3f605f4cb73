"""What an act may say: the structs behind scenarios/*.yaml, and behind their JSON Schema."""

from collections.abc import Iterator
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from chassis.faults.kinds import Kind

_UNITS = {"ms": 0.001, "s": 1.0, "min": 60.0}
DURATION = r"^[0-9]{1,4}(\.[0-9]{1,3})?(ms|s|min)$"
COMPARED = r"^(<|<=|>|>=) ?[0-9]{1,9}$"

Duration = Annotated[
    str, Meta(pattern=DURATION, description="500ms, 3s or 2min", examples=["500ms", "3s", "2min"])
]
Amount = (
    Annotated[int, Meta(ge=0, le=1_000_000_000, description="exactly so many")]
    | Annotated[str, Meta(pattern=COMPARED, description="compared", examples=["> 0", "<= 3"])]
)
Service = Literal["order", "inventory", "payment"]
ProductId = Annotated[str, Meta(pattern=r"^[A-Z0-9][A-Z0-9-]{0,63}$")]
Title = Annotated[str, Meta(min_length=1, max_length=80)]
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


def seconds(text: str) -> float:
    """A duration of a script in seconds."""
    number = text.rstrip("mins")
    return float(number) * _UNITS[text[len(number) :]]


class _Said(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A mapping of a script: a word it does not know is a mistake, never ignored."""


class Lights(_Said, frozen=True):
    """The SLA lights; red from one second on average, grey without traffic."""

    order: Literal["green", "red", "grey"] | UnsetType = UNSET
    inventory: Literal["green", "red", "grey"] | UnsetType = UNSET
    payment: Literal["green", "red", "grey"] | UnsetType = UNSET


class Services(_Said, frozen=True):
    """The small dots beside the services' names."""

    order: Literal["healthy", "degraded", "down"] | UnsetType = UNSET
    inventory: Literal["healthy", "degraded", "down"] | UnsetType = UNSET
    payment: Literal["healthy", "degraded", "down"] | UnsetType = UNSET


class Orders(_Said, frozen=True):
    """Orders placed since the act began, by how they stand in the order book now."""

    placed: Amount | UnsetType = UNSET
    open: Amount | UnsetType = UNSET
    pending_inventory: Amount | UnsetType = UNSET
    pending_payment: Amount | UnsetType = UNSET
    confirmed: Amount | UnsetType = UNSET
    declined: Amount | UnsetType = UNSET
    sold_out: Amount | UnsetType = UNSET
    failed: Amount | UnsetType = UNSET


class Responses(_Said, frozen=True):
    """What the act's own customers were told: 201, 202, 402, 409, 503, or nothing clear."""

    confirmed: Amount | UnsetType = UNSET
    accepted: Amount | UnsetType = UNSET
    declined: Amount | UnsetType = UNSET
    sold_out: Amount | UnsetType = UNSET
    turned_away: Amount | UnsetType = UNSET
    unclear: Amount | UnsetType = UNSET


class Alerts(_Said, frozen=True):
    """The platform's own alerts, named as in Prometheus."""

    SlaLightRed: Literal["firing", "quiet"] | UnsetType = UNSET
    ServiceDown: Literal["firing", "quiet"] | UnsetType = UNSET
    ReconcilerLag: Literal["firing", "quiet"] | UnsetType = UNSET
    InvariantViolated: Literal["firing", "quiet"] | UnsetType = UNSET


class StockCondition(_Said, frozen=True):
    """One product: units left and reserved now, units sold since the act began."""

    product: ProductId
    left: Amount | UnsetType = UNSET
    reserved: Amount | UnsetType = UNSET
    sold: Amount | UnsetType = UNSET


class Condition(_Said, frozen=True):
    """What must be true, all of it at once. Money is in minor units; bites are those of all
    gremlins since the act began."""

    lights: Lights | UnsetType = UNSET
    services: Services | UnsetType = UNSET
    orders: Orders | UnsetType = UNSET
    told: Responses | UnsetType = UNSET
    alerts: Alerts | UnsetType = UNSET
    stock: StockCondition | UnsetType = UNSET
    money_in_doubt: Amount | UnsetType = UNSET
    bites: Amount | UnsetType = UNSET
    promises: Literal["hold", "unbroken"] | UnsetType = UNSET


class Load(_Said, frozen=True, rename={"for_": "for"}):
    """Customers. With `count` the act goes on once each has an answer; with `rate` (orders per
    second) they keep coming in the background for as long as `for` says."""

    product: ProductId
    quantity: Annotated[int, Meta(ge=1, le=1000)] = 1
    rate: Annotated[float, Meta(gt=0, le=50)] | UnsetType = UNSET
    for_: Duration | UnsetType = UNSET
    count: Annotated[int, Meta(ge=1, le=5000)] | UnsetType = UNSET
    clients: Annotated[int, Meta(ge=1, le=200, description="at once")] = 50
    tries: Annotated[int, Meta(ge=1, le=50, description="orders of one who is told no")] = 1


class Shelf(_Said, frozen=True):
    """Units on the shelf before the story begins: delivered if missing, sold if too many."""

    product: ProductId
    at_least: Annotated[int, Meta(ge=1, le=100_000)] | UnsetType = UNSET
    exactly: Annotated[int, Meta(ge=1, le=100_000)] | UnsetType = UNSET


class LetLoose(_Said, frozen=True):
    """A gremlin; it ends after `ttl` whatever becomes of the act."""

    service: Service
    kind: Kind
    ttl: Duration
    delay: Duration | UnsetType = UNSET
    jitter: Duration | UnsetType = UNSET
    share: Annotated[int, Meta(ge=1, le=100, description="% of requests")] = 100
    status: Literal[500, 503] | UnsetType = UNSET
    routes: Annotated[list[str], Meta(min_length=1, max_length=8)] | UnsetType = UNSET


class Wait(_Said, frozen=True):
    """Go on once this is true; if it is not within `limit`, the act has failed."""

    until: Condition
    limit: Duration


class Kill(_Said, frozen=True):
    """Kill one service as kill -9 does; it is started again after `away`."""

    service: Service
    away: Duration


class Restart(_Said, frozen=True):
    """Stop a process in order, and start it again after `away`."""

    process: Literal["order", "inventory", "payment", "postgres"]
    away: Duration


class Action(_Said, frozen=True):
    """One thing that happens: exactly one of these words."""

    shelf: Shelf | UnsetType = UNSET
    load: Load | UnsetType = UNSET
    gremlin: LetLoose | UnsetType = UNSET
    wait: Wait | UnsetType = UNSET
    expect: Condition | UnsetType = UNSET
    kill: Kill | UnsetType = UNSET
    restart: Restart | UnsetType = UNSET


PlainAction = Literal["calm", "stop load"]
Instruction = Shelf | Load | LetLoose | Wait | Condition | Kill | Restart | PlainAction


class ActStep(_Said, frozen=True):
    """What one press of Next does, what the speaker says to it, and where the audience looks."""

    title: Title
    say: Annotated[str, Meta(min_length=1, max_length=2000)]
    look: Look | UnsetType = UNSET
    do: Annotated[list[Action | PlainAction], Meta(max_length=8)] = []


class Act(_Said, frozen=True, kw_only=True):
    """A demo written down. It always ends calm: every gremlin is called off at its end."""

    title: Title
    teaches: Annotated[str, Meta(min_length=1, max_length=400)]
    place: Annotated[int, Meta(ge=1, le=99, description="in the list of acts")] = 99
    steps: Annotated[list[ActStep], Meta(min_length=1, max_length=20)]

    def actions(self) -> Iterator[tuple[int, int, Instruction]]:
        """(step, place in it, what is done) of everything in order."""
        for at, step in enumerate(self.steps):
            for place, action in enumerate(step.do):
                yield at, place, instruction_of(action)


def given_fields(struct: Struct) -> Iterator[tuple[str, object]]:
    """The fields of a mapping that were written down."""
    for name in struct.__struct_fields__:
        value = getattr(struct, name)
        if value is not UNSET:
            yield name, value


def instruction_of(action: Action | PlainAction) -> Instruction:
    """The one thing an action does."""
    if isinstance(action, str):
        return action
    return next(value for _, value in given_fields(action))  # type: ignore[misc]
