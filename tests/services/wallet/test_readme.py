"""The README's section on wallets works as a newcomer types it."""

import re
import shlex

import httpx
import pytest

from fleet.run_dir import ROOT
from tests.services.wallet.wallet_shop import WalletShop

pytestmark = pytest.mark.asyncio(loop_scope="module")


def lines() -> list[str]:
    """The curl lines of the section that ask the wallet service."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text.split("## Wallets\n", 1)[1].split("\n## ", 1)[0]
    return re.findall(r"^curl localhost:5004.+$", section, re.MULTILINE)


async def typed(http: httpx.AsyncClient, line: str) -> httpx.Response:
    """As curl sends it: a form's content type, and POST where there is a body."""
    _, url, *options = shlex.split(line)
    given = list(zip(options[::2], options[1::2], strict=True))
    headers = dict(value.split(": ", 1) for flag, value in given if flag == "-H")
    body = next((value for flag, value in given if flag == "-d"), None)
    path = url.removeprefix("localhost:5004")
    if body is None:
        return await http.get(path, headers=headers)
    headers["Content-Type"] = "application/x-www-form-urlencoded"
    return await http.post(path, headers=headers, content=body)


async def test_every_line_of_the_readme_works_and_once(wallets: WalletShop):
    del wallets.http.headers["X-API-Key"]
    first = [(await typed(wallets.http, line)).status_code for line in lines()]
    assert first == [200, 201, 200, 201, 201]
    await wallets.sealed()
    again = [await typed(wallets.http, line) for line in lines()]
    assert [each.status_code for each in again] == first
    assert again[1].headers["Idempotent-Replayed"] == "true"
    [balance] = [each for each in again[0].json()["balances"] if each["currency"] == "EUR"]
    assert balance["available_minor"] == 100_000 - 1500 - 500
