"""How the acquirer's accounts answer while an act is on; afterwards as they did before.

The acquirer is the world outside: it is met on the wire alone, so its messages stand here."""

from urllib.parse import quote

from msgspec import Struct

from chassis.http.outbound import Peer, decode
from chassis.outcome import CallResult, Outcome
from scenarios.failures import ActionFailed

_WELL = "happy"


class _Account(Struct, frozen=True):
    name: str
    mode: str


class _AccountList(Struct, frozen=True):
    accounts: list[_Account]


class Accounts:
    """The accounts behind one acquirer. `headers` say who asks."""

    def __init__(self, peer: Peer, headers: dict[str, str]) -> None:
        self._peer, self._headers = peer, headers
        # How those answered before that this act has changed.
        self._before: dict[str, str] = {}

    async def modes(self) -> dict[str, str]:
        """How each account answers now; raises `ActionFailed`."""
        answer = await self._peer.call("GET", "/accounts", route="/accounts", headers=self._headers)
        found: _AccountList | None = decode(answer, _AccountList)
        if answer.outcome is not Outcome.OK or found is None:
            raise ActionFailed(
                f"{self._peer.name} does not say which accounts it has: {_why(answer)}"
            )
        return {each.name: each.mode for each in found.accounts}

    async def make_well(self) -> None:
        """Let every account answer as it should; raises `ActionFailed`."""
        for name, mode in (await self.modes()).items():
            if mode != _WELL:
                await self.set_mode(name, _WELL, before=mode)

    async def set_mode(self, name: str, mode: str, *, before: str = _WELL) -> None:
        """Let an account answer so; raises `ActionFailed`."""
        self._before.setdefault(name, before)
        answer = await self._put(name, mode)
        if answer.outcome is not Outcome.OK:
            raise ActionFailed(f"the account {name} did not change: {_why(answer)}")

    async def put_back(self) -> tuple[str, ...]:
        """Let them answer as before; those that could not be reached, by name."""
        for name, mode in list(self._before.items()):
            if (await self._put(name, mode)).outcome is Outcome.OK:
                del self._before[name]
        return tuple(self._before)

    async def _put(self, name: str, mode: str) -> CallResult:
        path, body = f"/accounts/{quote(name, safe='')}/mode", {"mode": mode}
        return await self._peer.call(
            "PUT", path, body, route="/accounts/{name}/mode", headers=self._headers
        )


def _why(answer: CallResult) -> str:
    return answer.code or f"it answered {answer.status}"
