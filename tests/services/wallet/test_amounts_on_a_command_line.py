"""An amount that is typed and is none is refused for what it is."""

import pytest
from click.testing import CliRunner

from cli.main import main


@pytest.mark.parametrize(
    "command", ["pay alice demo-provider", "deposit alice", "transfer alice dora"]
)
@pytest.mark.parametrize("amount", ["-5", "0", "1.5", "five"])
def test_an_amount_is_a_whole_number_from_one_on(command: str, amount: str):
    result = CliRunner().invoke(main, ["wallet", *command.split(), amount])
    assert result.exit_code == 2
    assert "Invalid value for 'AMOUNT'" in result.output
    assert amount in result.output
