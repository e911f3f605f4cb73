"""The list of guards is what the migrations make."""

from proof.guards import MADE
from tests.proof.guards import render


async def test_the_list_of_guards_is_what_the_migrations_make(database_url: str):
    assert await render(database_url) == MADE, "run `make render`"
