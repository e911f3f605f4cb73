"""The gremlins that are loose, as the bar and the switches show them."""

from datetime import timedelta

from msgspec.structs import replace

from frontend.gremlins import presenter
from tests.frontend.samples import GREMLIN, NOW


def test_a_gremlin_whose_time_is_up_is_not_shown():
    over = replace(GREMLIN, expires_at=NOW - timedelta(seconds=1))
    assert presenter.bar((over,), NOW).gremlins == ()
    assert presenter.board((over,), NOW).active == 0


def test_two_gremlins_of_one_kind_share_a_switch_that_shows_the_last_to_end():
    longer = replace(GREMLIN, name="b", expires_at=NOW + timedelta(seconds=200))
    board = presenter.board((longer, GREMLIN), NOW)
    found = [(p.key, each) for p in board.processes for each in p.switches if each.active]
    ((key, switch),) = found
    assert (key, switch.active.remaining_s, board.active) == ("inventory", 200, 1)
