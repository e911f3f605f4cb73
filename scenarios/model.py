"""What an act may say: the structs behind scenarios/*.yaml, and behind their JSON Schema."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, defstruct

from chassis.faults.kinds import Kind
from topology import NAMES, SHOP

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
    """A duration of an act in seconds."""
    number = text.rstrip("mins")
    return float(number) * _UNITS[text[len(number) :]]


class _Mapping(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A mapping of an act: an unknown key is a mistake, never ignored."""


def _per_service(name: str, doc: str, keys: Iterable[str], state: Any) -> Any:
    """A mapping with one optional state for each of these services of the topology."""
    fields = [(key, state | UnsetType, UNSET) for key in keys]
    return defstruct(
        name, fields, bases=(_Mapping,), namespace={"__doc__": doc}, module=__name__, frozen=True
    )


# The services are those of the topology; a type checker, which cannot read it, sees plain types.
if TYPE_CHECKING:
    Service = str
    Restartable = str
    Lights = _Mapping
    Services = _Mapping
else:
    Service = Literal[tuple(NAMES)]
    Restartable = Literal[(*NAMES, "postgres")]
    Lights = _per_service(
        "Lights",
        "The lights; red from one second on average or when more than 5 % of the requests failed, "
        "amber when more than 5 % are not decided yet, grey without traffic.",
        [each.key for each in SHOP],
        Literal["green", "amber", "red", "grey"],
    )
    Services = _per_service(
        "Services",
        "The small dots beside the services' names.",
        NAMES,
        Literal["healthy", "degraded", "down"],
    )


class Orders(_Mapping, frozen=True):
    """Orders placed since the act began, by how they stand in the order book now."""

    placed: Amount | UnsetType = UNSET
    open: Amount | UnsetType = UNSET
    pending_inventory: Amount | UnsetType = UNSET
    pending_payment: Amount | UnsetType = UNSET
    confirmed: Amount | UnsetType = UNSET
    declined: Amount | UnsetType = UNSET
    sold_out: Amount | UnsetType = UNSET
    failed: Amount | UnsetType = UNSET


class Responses(_Mapping, frozen=True):
    """What the act's own customers were told: 201, 202, 402, 409, 503, or nothing clear."""

    confirmed: Amount | UnsetType = UNSET
    accepted: Amount | UnsetType = UNSET
    declined: Amount | UnsetType = UNSET
    sold_out: Amount | UnsetType = UNSET
    turned_away: Amount | UnsetType = UNSET
    unclear: Amount | UnsetType = UNSET


class Alerts(_Mapping, frozen=True):
    """The platform's own alerts, named as in Prometheus."""

    SlaLightRed: Literal["firing", "quiet"] | UnsetType = UNSET
    ServiceDown: Literal["firing", "quiet"] | UnsetType = UNSET
    ReconcilerLag: Literal["firing", "quiet"] | UnsetType = UNSET
    InvariantViolated: Literal["firing", "quiet"] | UnsetType = UNSET


class StockCondition(_Mapping, frozen=True):
    """One product: units left and reserved now, units sold since the act began."""

    product: ProductId
    left: Amount | UnsetType = UNSET
    reserved: Amount | UnsetType = UNSET
    sold: Amount | UnsetType = UNSET


class Condition(_Mapping, frozen=True, rename={"responses": "told"}):
    """What must be true, all of it at once. Money is in minor units; bites are those of all
    gremlins since the act began."""

    lights: Lights | UnsetType = UNSET
    services: Services | UnsetType = UNSET
    orders: Orders | UnsetType = UNSET
    responses: Responses | UnsetType = UNSET
    alerts: Alerts | UnsetType = UNSET
    stock: StockCondition | UnsetType = UNSET
    money_in_doubt: Amount | UnsetType = UNSET
    bites: Amount | UnsetType = UNSET
    promises: Literal["hold", "unbroken"] | UnsetType = UNSET


class Load(_Mapping, frozen=True, rename={"for_": "for"}):
    """Customers. With `count` the act goes on once each has an answer; with `rate` (orders per
    second) they keep coming in the background for as long as `for` says."""

    product: ProductId
    quantity: Annotated[int, Meta(ge=1, le=1000)] = 1
    rate: Annotated[float, Meta(gt=0, le=50)] | UnsetType = UNSET
    for_: Duration | UnsetType = UNSET
    count: Annotated[int, Meta(ge=1, le=5000)] | UnsetType = UNSET
    clients: Annotated[int, Meta(ge=1, le=200, description="at once")] = 50
    tries: Annotated[int, Meta(ge=1, le=50, description="orders of one who is told no")] = 1


class Shelf(_Mapping, frozen=True):
    """Units on the shelf before the story begins: delivered if missing, sold if too many."""

    product: ProductId
    at_least: Annotated[int, Meta(ge=1, le=100_000)] | UnsetType = UNSET
    exactly: Annotated[int, Meta(ge=1, le=100_000)] | UnsetType = UNSET


class LetLoose(_Mapping, frozen=True):
    """A gremlin; it ends after `ttl` whatever becomes of the act."""

    service: Service
    kind: Kind
    ttl: Duration
    delay: Duration | UnsetType = UNSET
    jitter: Duration | UnsetType = UNSET
    share: Annotated[int, Meta(ge=1, le=100, description="% of requests")] = 100
    status: Literal[500, 503] | UnsetType = UNSET
    routes: Annotated[list[str], Meta(min_length=1, max_length=8)] | UnsetType = UNSET


class Wait(_Mapping, frozen=True):
    """Go on once this is true; if it is not within `limit`, the act has failed."""

    until: Condition
    limit: Duration


class Kill(_Mapping, frozen=True):
    """Kill one service as kill -9 does; it is started again after `away`."""

    service: Service
    away: Duration


class Restart(_Mapping, frozen=True):
    """Stop a process in order, and start it again after `away`."""

    process: Restartable
    away: Duration


class Action(_Mapping, frozen=True):
    """One thing that happens: exactly one of these fields is set."""

    shelf: Shelf | UnsetType = UNSET
    load: Load | UnsetType = UNSET
    gremlin: LetLoose | UnsetType = UNSET
    wait: Wait | UnsetType = UNSET
    expect: Condition | UnsetType = UNSET
    kill: Kill | UnsetType = UNSET
    restart: Restart | UnsetType = UNSET


PlainAction = Literal["calm", "stop load"]
Instruction = Shelf | Load | LetLoose | Wait | Condition | Kill | Restart | PlainAction


class ActStep(_Mapping, frozen=True):
    """What one press of Next does, what the speaker says meanwhile, where the audience looks."""

    title: Title
    say: Annotated[str, Meta(min_length=1, max_length=2000)]
    look: Look | UnsetType = UNSET
    do: Annotated[list[Action | PlainAction], Meta(max_length=8)] = []


class Act(_Mapping, frozen=True, kw_only=True):
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
