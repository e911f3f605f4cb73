"""What is shown of an id tells it from its neighbours."""

from chassis.ids import new_id
from frontend.web.formatting import short


def test_two_ids_of_one_moment_are_shown_differently():
    made = [str(new_id()) for _ in range(20)]
    shown = {short(each) for each in made}
    assert len(shown) == 20
    assert all(len(each) == 8 for each in shown)


def test_the_name_of_a_trace_is_shown_by_its_beginning():
    assert short("4bf92f3577b34da6a3ce929d0e0e4736") == "4bf92f35"
