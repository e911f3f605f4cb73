"""One place reads the environment and valerix.yaml, and says in one line what is wrong with it."""

import itertools
import os
import subprocess
import sys

import msgspec
import pytest

from chassis import settings
from chassis.addresses import is_loopback
from chassis.settings import BadSetting
from fleet.run_dir import ROOT
from fleet.settings import load, shape_of, table, unknown
from topology import KEYS, PROCESSES, find

TOKEN = "0123456789abcdef"


@pytest.mark.parametrize("service", KEYS)
def test_without_any_variable_every_service_has_usable_settings(service: str):
    plain = load(service, {})
    assert plain.port == find(service).port
    assert is_loopback(plain.host)
    assert plain.operator_token == ""


def test_a_service_can_differ_from_the_others():
    environ = {"VALERIX_POOL_SIZE": "5", "VALERIX_ORDER_POOL_SIZE": " 7 "}
    assert load("order", environ).pool_size == 7
    assert load("payment", environ).pool_size == 5


def test_an_override_beats_the_environment():
    assert load("order", {"VALERIX_POOL_SIZE": "5"}, pool_size=9).pool_size == 9


def test_port_zero_means_the_port_of_the_topology():
    assert load("order", {"VALERIX_PORT": "0"}).port == 5001


BAD = {
    "VALERIX_PORT": ["x", "-1", "65536", "1.5", ""],
    "VALERIX_POOL_SIZE": ["0", "-1", "many", "100001"],
    "VALERIX_PEER_DEADLINE_S": ["0", "-2", "soon", "3601", "nan"],
    "VALERIX_PAYMENT_DECLINE_RATE": ["1.1", "-0.1", "10%", "nan"],
    "VALERIX_TELEMETRY": ["yes", "ON", "1"],
    "VALERIX_LOG_FORMAT": ["xml"],
    "VALERIX_LOG_LEVEL": ["TRACE", "info"],
    "VALERIX_PAYMENT_CONNECTOR": ["stripe"],
    "VALERIX_PAYMENT_GATEWAY_FENCES": ["maybe"],
    "VALERIX_PAYMENT_SEED": ["-1", "x"],
    "VALERIX_ALLOWED_HOSTS": ["http://shop.example", "shop.example:80", "a b", "x.lan,y/z", "é"],
    "VALERIX_HEAD_LIMIT_BYTES": ["0", "16K"],
    "VALERIX_MAX_CONNECTIONS": ["0", "unlimited"],
}


def test_a_value_that_cannot_be_used_is_one_clear_line():
    wrong = []
    for name, value in [(name, value) for name, values in BAD.items() for value in values]:
        line = refusal("payment" if "PAYMENT" in name else "order", {name: value})
        if not line.startswith(f"{name}={value!r} cannot be used: ") or "\n" in line or "$" in line:
            wrong.append((name, value, line))
    assert wrong == []


def refusal(service: str, environ: dict[str, str]) -> str:
    """The one line about a setting; empty if there is none."""
    try:
        load(service, environ)
    except BadSetting as refused:
        return str(refused)
    return ""


def test_the_error_for_an_unknown_service_lists_the_known_ones():
    with pytest.raises(BadSetting, match=", ".join(KEYS)):
        load("shipping", {})


@pytest.mark.parametrize("host", ["::", "192.168.0.7", "10.1.2.3", "example.com", "1270.0.0.1"])
def test_listening_to_others_needs_an_operator_token(host: str):
    with pytest.raises(BadSetting, match="VALERIX_OPERATOR_TOKEN"):
        load("order", {"VALERIX_HOST": host})
    assert load("order", {"VALERIX_HOST": host, "VALERIX_OPERATOR_TOKEN": TOKEN}).host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "localhost", "::1"])
def test_loopback_needs_none(host: str):
    assert load("order", {"VALERIX_HOST": host}).host == host


def test_where_a_container_is_published_decides_whether_it_is_exposed():
    inside = {"VALERIX_HOST": "::", "VALERIX_PUBLISHED_ON": "127.0.0.1"}
    assert load("order", inside).host == "::"
    with pytest.raises(BadSetting, match="VALERIX_PUBLISHED_ON=:: is not loopback"):
        load("order", inside | {"VALERIX_PUBLISHED_ON": "::"})


def test_headers_for_a_collector_are_pairs_and_are_not_printed():
    kept = load("order", {"VALERIX_OTLP_HEADERS": "api-key=s3cret, x-team = shop"})
    assert kept.otlp_headers == "api-key=s3cret, x-team = shop"
    with pytest.raises(BadSetting, match="name=value") as refused:
        load("order", {"VALERIX_OTLP_HEADERS": "s3cret"})
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize("value", ["s3cret", "mysql://a:s3cret@db/x", "postgresql://s3cret:x:y/z"])
def test_a_url_that_is_not_a_database_is_refused_and_not_printed(value: str):
    with pytest.raises(BadSetting, match=r"DATABASE_URL cannot be used: write postgres") as refused:
        load("order", {"VALERIX_DATABASE_URL": value})
    assert "s3cret" not in str(refused.value)


def test_a_short_operator_token_is_refused():
    with pytest.raises(BadSetting, match="at least 16"):
        load("order", {"VALERIX_OPERATOR_TOKEN": TOKEN[:-1]})
    assert load("order", {"VALERIX_OPERATOR_TOKEN": TOKEN}).operator_token == TOKEN


def test_a_token_is_not_printed():
    with pytest.raises(BadSetting) as refused:
        load("order", {"VALERIX_OPERATOR_TOKEN": "my-secret"})
    assert "my-secret" not in str(refused.value)


def test_every_setting_has_its_reason_and_its_row():
    rows = table()
    for key in KEYS:
        for field in settings.fields(shape_of(key)):
            assert settings.reason_of(shape_of(key), field), f"{key}: {field} has no reason"
            assert f"| `VALERIX_{field.upper()}` |" in rows


def test_a_setting_that_two_rooms_declare_has_one_default_and_one_type():
    for one, other in itertools.combinations(map(shape_of, KEYS), 2):
        first = {field.name: field for field in msgspec.structs.fields(one)}
        second = {field.name: field for field in msgspec.structs.fields(other)}
        for name in first.keys() & second.keys():
            assert first[name].default == second[name].default, name
            assert _without_reason(first[name].type) == _without_reason(second[name].type), name


def _without_reason(shape: object) -> list[object]:
    metas = getattr(shape, "__metadata__", ())
    return [getattr(shape, "__origin__", shape), *metas[:-1]]


def test_the_bounds_fit_each_other():
    order = msgspec.structs.asdict(load("order", {}))
    assert order["peer_deadline_s"] == 2.0
    assert order["request_budget_s"] > 2 * order["peer_deadline_s"]
    assert order["order_lease_s"] > order["request_budget_s"]
    assert load("payment", {}).payment_gateway_timeout_s < order["peer_deadline_s"]
    assert order["keep_alive_s"] > 15
    assert order["max_in_flight"] >= order["peer_connections"]


@pytest.mark.parametrize("value", ["notaurl", "ftp://there", "http://", "http://a:b", "http://[1"])
def test_a_url_that_is_not_an_address_is_refused(value: str):
    with pytest.raises(BadSetting, match="VALERIX_OTLP_ENDPOINT"):
        load("order", {"VALERIX_OTLP_ENDPOINT": value})
    with pytest.raises(BadSetting, match="VALERIX_PAYMENT_URL"):
        load("order", {"VALERIX_PAYMENT_URL": value})


def test_a_name_that_no_process_reads_is_found_with_what_was_meant():
    environ = {"VALERIX_POLSIZE": "3", "VALERIX_ORDER_POOL_SIZE": "3", "PATH": ""}
    assert unknown(environ) == ["VALERIX_POLSIZE (is VALERIX_POOL_SIZE meant?)"]


def test_the_stores_of_traces_and_of_logs_are_set_together_or_not_at_all():
    both = {"VALERIX_JAEGER_URL": "http://jaeger:16686", "VALERIX_LOKI_URL": "http://loki:3100"}
    assert load("dashboard", both).loki_url == "http://loki:3100"
    for missing in both:
        with pytest.raises(BadSetting, match="come together"):
            load("dashboard", {name: value for name, value in both.items() if name != missing})
    alone = load("dashboard", {"VALERIX_PROMETHEUS_URL": "http://prometheus:9090"})
    assert alone.prometheus_url
    assert not alone.jaeger_url


@pytest.fixture
def written(tmp_path):
    """`written(text)`: the environment that points at a file with this text."""

    def write(text: str) -> dict[str, str]:
        path = tmp_path / "valerix.yaml"
        path.write_text(text)
        return {"VALERIX_CONFIG": str(path)}

    return write


def test_the_file_fills_in_what_the_environment_leaves_out(written):
    environ = written(
        "pool_size: 5\nVALERIX_ORDER_POOL_SIZE: 7\n"
        "payment_url: http://127.0.0.1:9/  # the slash goes\n"
    )
    assert load("inventory", environ).pool_size == 5
    assert load("order", environ).pool_size == 7
    assert load("order", environ).urls["payment"] == "http://127.0.0.1:9"
    assert load("order", environ | {"VALERIX_POOL_SIZE": "9"}).pool_size == 9


MISTAKES = {
    "pool_size: 5\npool_siez: 6\n": "valerix.yaml:2: pool_siez is no setting (is VALERIX_POOL_SIZE",
    "pool_size: 0\n": "valerix.yaml:1: pool_size='0' cannot be used: an integer",
    "# x\n\npool_size: many\n": "valerix.yaml:3: pool_size='many' cannot be used",
    "pool_size: [5]\n": "valerix.yaml:1: pool_size: one value is expected",
    "pool_size: 5\nPOOL_SIZE: 5\n": "valerix.yaml:2: POOL_SIZE is written twice",
    "- pool_size\n": "valerix.yaml:1: write settings as `name: value`",
    "a: b: c\n": "valerix.yaml:1: this is not YAML",
    "payment_url: nowhere\n": "valerix.yaml:1: payment_url='nowhere' cannot be used",
}


def test_a_mistake_in_the_file_is_reported_with_its_line(written):
    lines = {text: refusal("order", written(text)) for text in MISTAKES}
    assert {t: line for t, line in lines.items() if MISTAKES[t] not in line or "\n" in line} == {}


def test_an_empty_file_changes_nothing_and_a_missing_one_is_an_error(written, tmp_path):
    assert load("order", written("")) == load("order", {})
    with pytest.raises(BadSetting, match="no such file"):
        load("order", {"VALERIX_CONFIG": str(tmp_path / "nothing.yaml")})


def test_commands_do_not_import_what_takes_longer_than_they_do():
    code = (
        "import sys; from cli.main import main\n"
        "try: main(['verify'])\n"
        "except SystemExit: pass\n"
        "assert 'proof.verify' in sys.modules\n"
        "print([name for name in sys.modules if name.split('.')[0] in ('frontend', 'litestar')])\n"
        "import cli.calm, cli.payments, loadtests.__main__, scenarios.console_log\n"
        "print([name for name in ('litestar', 'sqlalchemy') if name in sys.modules])"
    )
    nowhere = {"VALERIX_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **nowhere},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-2:] == ["[]", "[]"]


def test_grpc_is_a_thousand_ports_above_unless_it_is_set():
    assert load("payment", {}).grpc_port == 6003  # type: ignore[attr-defined]
    moved = {"VALERIX_PAYMENT_PORT": "25003", "VALERIX_PAYMENT_URL": "http://payment-service:25003"}
    assert load("payment", moved).grpc_port == 26003  # type: ignore[attr-defined]
    found = load("order", moved)
    assert found.payment_grpc_url == "http://payment-service:26003"  # type: ignore[attr-defined]
    set_so = moved | {
        "VALERIX_PAYMENT_GRPC_PORT": "7003",
        "VALERIX_PAYMENT_GRPC_URL": "http://[::1]:7003",
    }
    assert load("payment", set_so).further_ports() == {"PAYMENT_GRPC_PORT": 7003}
    assert load("order", set_so).payment_grpc_url == "http://[::1]:7003"  # type: ignore[attr-defined]


def test_nothing_loads_grpc_before_a_fork():
    apps = ", ".join(f"{process.package}.app" for process in PROCESSES)
    check = f"import sys, fleet.run, {apps}; sys.exit('grpc' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
