"""Which words are the operator's."""

from hypothesis import given
from hypothesis import strategies as st

from chassis.http.operator_auth import is_operator
from fleet.settings import load

TOKEN = "correct-horse-battery"


@given(st.text(max_size=40))
def test_no_other_header_is_the_token(header: str):
    settings = load("order", {}, operator_token=TOKEN)
    assert is_operator(f"Bearer {header}", settings) == (header.strip() == TOKEN)
    assert not is_operator(header, settings)


def test_without_a_token_set_every_caller_is_the_operator():
    assert is_operator(None, load("order", {}))
    assert is_operator("Bearer anything", load("order", {}))
