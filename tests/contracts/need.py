"""One thing that a consumer needs of a provider: its own code asks, and knows what it means."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple
from uuid import NAMESPACE_URL, UUID, uuid5

from chassis.http.outbound import Peer

JSON, PROBLEM, FORM = (
    "application/json",
    "application/problem+json",
    "application/x-www-form-urlencoded",
)
DEADLINE_S = 30.0


class At(NamedTuple):
    """Where the provider is, for the consumer with these settings; `peer` is it, on either wire."""

    url: str
    settings: Any
    peer: Peer


Ask = Callable[[At], Awaitable[object]]


class Need(NamedTuple):
    """One request with the response to it. `state` names what the provider has to be like before,
    with `given` to say of what; `ask` is the consumer's own code, and `known` what it must make of
    the response. `path`, `headers` and `answer` may hold matchers; `rules` are those of a text."""

    description: str
    state: str
    ask: Ask
    known: object
    method: str
    path: Any
    status: int
    answer: Any = None
    body: Any = None
    given: Mapping[str, str] = {}
    headers: Mapping[str, Any] = {}
    kind: str = JSON
    rules: Any = None
    text: str = ""
    query: str = ""

    @property
    def answer_kind(self) -> str:
        """The content type of the response."""
        return self.text or (JSON if self.status < 400 else PROBLEM)


def id_of(name: str) -> UUID:
    """The same id for the same name, in every run."""
    return uuid5(NAMESPACE_URL, f"valerix:{name}")
