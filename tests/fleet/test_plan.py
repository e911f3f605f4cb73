"""Where each process sends its telemetry when the shop starts."""

from pathlib import Path

import pytest

from fleet import children, up
from fleet.run_dir import RunDirectory
from fleet.settings import load
from topology import KEYS, NAMES, find


def endpoints(
    folder: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> dict[str, str | None]:
    """By process, the variable in the environment it is started with."""
    found: dict[str, str | None] = {}

    def note(command, *, environ, **_):
        found[command[-1]] = environ.get(variable)

    monkeypatch.setattr(children, "Child", note)
    home = RunDirectory(folder)
    home.prepare()
    for service in up.plan(home, {key: load(key, {}) for key in KEYS}, "postgresql://x"):
        service.start()
    return found


def test_the_services_send_to_the_dashboard_and_the_dashboard_not_to_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    dashboard = f"http://127.0.0.1:{find('dashboard').port}"
    wanted = {**dict.fromkeys(NAMES, dashboard), "dashboard": None}
    assert endpoints(tmp_path, monkeypatch, "VALERIX_OTLP_RECEIVER") == wanted


@pytest.mark.parametrize("named", ["http://collector:4318", ""])
def test_an_endpoint_that_is_named_reaches_every_process_and_an_empty_one_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str
):
    monkeypatch.setenv("VALERIX_OTLP_ENDPOINT", named)
    assert set(endpoints(tmp_path, monkeypatch, "VALERIX_OTLP_ENDPOINT").values()) == {named}
