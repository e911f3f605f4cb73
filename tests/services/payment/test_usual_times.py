"""How long an account usually takes: the slowest but one of a hundred, of its last minute."""

from services.payment.routing.usual_times import FORGET_S, KEPT, UNKNOWN_S, UsualTimes


def test_an_account_of_which_little_was_seen_has_the_stated_time():
    usual = UsualTimes()
    for _ in range(19):
        usual.saw("alfa", 3.0)
    assert usual.p99_s("alfa") == usual.p99_s("nobody") == UNKNOWN_S
    usual.saw("alfa", 3.0)
    assert usual.p99_s("alfa") == 3.0


def test_one_in_a_hundred_may_be_slower():
    usual = UsualTimes()
    for n in range(1, 101):
        usual.saw("alfa", n / 100)
    assert usual.p99_s("alfa") == 0.99


def test_only_the_last_calls_count():
    usual = UsualTimes()
    for seconds in [9.0] * KEPT + [0.2] * KEPT:
        usual.saw("alfa", seconds)
    assert usual.p99_s("alfa") == 0.2


def test_an_account_that_was_slow_is_tried_again_when_that_is_forgotten():
    now = 0.0
    usual = UsualTimes(clock=lambda: now)
    for _ in range(50):
        usual.saw("alfa", 9.0)
    now = FORGET_S
    assert usual.p99_s("alfa") == 9.0
    now += 0.1
    assert usual.p99_s("alfa") == UNKNOWN_S
