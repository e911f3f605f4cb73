"""Which words are the operator's."""

from hypothesis import given
from hypothesis import strategies as st

from chassis.http.operator_auth import is_operator
from fleet.settings import load

TOKEN = "correct-horse-battery"


@given(st.text(max_size=40))
def test_no_other_word_is_the_token(said: str):
    settings = load("order", {}, operator_token=TOKEN)
    assert is_operator(f"Bearer {said}", settings) == (said.strip() == TOKEN)
    assert not is_operator(said, settings)


def test_without_a_token_everybody_on_this_machine_is_the_operator():
    assert is_operator(None, load("order", {}))
    assert is_operator("Bearer anything", load("order", {}))
