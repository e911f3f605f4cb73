"""An act is read, or refused in one line that names the line of the mistake and the reason."""

import json
import re
from pathlib import Path
from typing import get_args

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jsonschema_rs import validator_for
from msgspec.structs import fields

from fleet.client import RESTARTABLE
from frontend.acts.presenter import LOOK_LABELS as LOOK_LABELS
from frontend.web.templating import STATIC, TEMPLATES
from providers.acquirer.contract import Mode
from scenarios import schema
from scenarios.condition_model import Lights, Services, TwinCounts
from scenarios.loader import FOLDER, BadAct, Scenario, find, parse, read, read_all
from scenarios.model import AccountMode, ActStep, Restartable, Service, TwinName, Wait
from scenarios.twin_process import ShopFigures
from topology import LIT, NAMES
from twins import twin
from twins.counting import Counts

HEAD = "title: T\nteaches: x\nsteps:\n  - title: a\n    say: b\n    do:\n"
SHEET = (STATIC / "acts.css").read_text()
PAGES = ("overview/page.html", "overview/charts.html", "gremlins/bar.html", "overview/health.html")
SCHEMA = validator_for(json.loads(schema.schema()))


def why(text: str) -> str:
    """The one line about a mistake; empty if there is none. Anything else fails the test."""
    try:
        parse(text, "x", "x.yaml")
    except BadAct as bad:
        return str(bad)
    return ""


# What is written, and how its error must begin; the line is part of it.
NOT_AN_ACT = [
    ("", "x.yaml:1: an act begins with `title: …`"),
    ("- a", "x.yaml:1: an act begins with `title: …`"),
    ("title: T\nteaches: [", "x.yaml:2: this is not YAML: expected the node content"),
    ("title: T\nteaches: a\n\tsteps: []", "x.yaml:3: this is not YAML: found character"),
    ("title: T\nteaches: \x07", "x.yaml:2: there is a character that text cannot contain"),
    ("title: T\ntitle: U", "x.yaml:2: `title` is written twice"),
    ("title: T", "x.yaml:1: an act needs `teaches`"),
    ("title: T\nteaches: x\nsteps: []", "x.yaml:3: `steps`: expected `list` of length >= 1"),
    ("title: T\nteaches: x\nsteps:\n  - 3", "x.yaml:4: a step: expected `mapping`, got `int`"),
    ("title: T\nteaches: x\nstep: 3", "x.yaml:3: there is no word `step` (is `steps` meant?)"),
    ("title: !!python/name:os.system", "x.yaml:1: could not determine a constructor"),
    ("title: 2026-11-21\nteaches: x\nsteps: []", "x.yaml:1: `title`: expected `str`"),
]
BAD_ACTIONS = [
    ("gremlins: {}", "there is no verb `gremlins` (is `gremlin` meant?); there are: calm, stop"),
    ("clam", "there is no value `clam` (is `calm` meant?)"),
    ("calm: {}", "`calm` stands alone: write `- calm`"),
    ("3", "what a step does: expected `str | mapping`, got `int`"),
    ("{}", "each action is one word with what belongs to it; this has nothing"),
    (
        "{expect: {money_in_doubt: 0}, kill: {service: order, away: 3s}}",
        "this has `expect` and `kill`",
    ),
    ("no: 3", "a word is expected here, not 'no'"),
    ("wait: {until: {money_in_doubt: 0}}", "`wait` needs `limit`"),
    ("wait: {limit: 3s}", "`wait` needs `until`"),
    ("wait: {until: {}, limit: 3s}", "this says nothing that could be true or not"),
    ("wait: {until: {lights: {}}, limit: 3s}", "`lights` says nothing"),
    ("wait: {until: {money_in_doubt: 0}, limit: 3}", "3 is not a length of time: write 500ms, 3s"),
    ("wait: {until: {money_in_doubt: 0}, limit: 3 s}", "'3 s' is not a length of time"),
    ("wait: {until: {money_in_doubt: 0}, limit: 9min}", "out of bounds: 1s to 300s"),
    ("wait: {until: {lights: {order: purple}}, limit: 3s}", "there is no value `purple`"),
    ("wait: {until: {lights: {stock: red}}, limit: 3s}", "there is no word `stock`; there are: ga"),
    ("wait: {until: {alerts: {TooSlow: firing}}, limit: 3s}", "there is no word `TooSlow`"),
    ("wait: {until: {orders: {open: '< 0'}}, limit: 3s}", "`< 0` can never hold"),
    ("wait: {until: {orders: {open: -1}}, limit: 3s}", "`open`: expected `int` >= 0"),
    ("wait: {until: {orders: {open: '=3'}}, limit: 3s}", "'=3' is not a number: write 5, or"),
    ("wait: {until: {orders: {open: 1.5}}, limit: 3s}", "`open`: expected `int | str`"),
    ("wait: {until: {told: {accepted: '> 0'}}, limit: 3s}", "`> 0` can never hold: no orders"),
    ("expect: {stock: {product: PROD-001}}", "`stock` says nothing that could be true"),
    ("expect: {promises: kept}", "there is no value `kept`; there are: hold, unbroken"),
    ("gremlin: {service: order, kind: error}", "`gremlin` needs `ttl`"),
    ("gremlin: {service: order, kind: error, ttl: 20min}", "out of bounds: 1s to 900s"),
    ("gremlin: {service: order, kind: error, ttl: 9s, delay: 1s}", "error gremlin has no `delay`"),
    ("gremlin: {service: order, kind: hang, ttl: 9s, status: 500}", "has no `status`"),
    ("gremlin: {service: order, kind: late, ttl: 9s}", "a late gremlin needs `delay`"),
    ("gremlin: {service: order, kind: bite, ttl: 9s}", "there is no value `bite`"),
    ("gremlin: {service: shop, kind: error, ttl: 9s}", "there is no value `shop`"),
    ("gremlin: {service: order, kind: error, ttl: 9s, share: 0}", "`share`: expected `int` >= 1"),
    ("load: {product: PROD-001}", "`load` needs `rate` (with `for`), or `count`"),
    ("load: {product: PROD-001, rate: 3}", "`load` with `rate` needs `for`"),
    ("load: {product: PROD-001, count: 3, for: 3s}", "`for` belongs to `rate`"),
    ("load: {product: PROD-001, rate: 999, for: 3s}", "`rate`: expected `float` <= 50"),
    ("load: {product: PROD-001, rate: 1, for: 16min}", "out of bounds: 1s to 900s"),
    ("load: {product: '!', count: 3}", "'!' is not written as `product` is"),
    ("pay: {merchant: m1, amount: 100}", "`pay` needs `rate` (with `for`), or `count`"),
    ("pay: {merchant: m1, amount: 0, count: 1}", "`amount`: expected `int` >= 1"),
    ("pay: {merchant: m1, amount: 1, currency: EURO, count: 1}", "there is no value `EURO`"),
    ("pay: {merchant: M1, amount: 1, count: 1}", "'M1' is not written as `merchant` is"),
    ("pay: {merchant: m1, amount: 1, rate: 1, for: 16min}", "out of bounds: 1s to 900s"),
    ("spend: {user: hot, amount: 100}", "`spend` needs `rate` (with `for`), or `count`"),
    ("spend: {user: 'a b', amount: 100, count: 1}", "'a b' is not written as `user` is"),
    ("wallet: {user: hot, exactly: 0}", "`exactly`: expected `int` >= 1"),
    ("expect: {wallet: {user: hot}}", "`wallet` says nothing that could be true or not"),
    ("expect: {spenders: {paid: 1}}", "`1` can never hold: no payments were made until here"),
    ("expect: {tokens: {let_in: 1}}", "`1` can never hold: no tokens were shown until here"),
    ("show: {token: mine}", "there is no value `mine`"),
    ("account: {name: alfa, mode: silent}", "there is no value `silent`; there are: 500, declined"),
    ("account: {name: alfa}", "`account` needs `mode`"),
    ("expect: {payers: {paid: 1}}", "`1` can never hold: no payments were made until here"),
    ("expect: {payments: {taken: 1}}", "there is no word `taken`; there are: made"),
    ("expect: {legs: {}}", "`legs` says nothing that could be true or not"),
    ("shelf: {product: PROD-001}", "`shelf` needs either `at_least` or `exactly`"),
    ("kill: {service: dashboard, away: 3s}", "there is no value `dashboard`"),
    ("restart: {process: postgres, away: 1min}", "out of bounds: 0.5s to 30s"),
    ("expect: {twin: {stuck: 0}}", "there is no twin beside this act: write `twin: NAME`"),
    ("wait: {until: {twin: {stuck: 0}}, limit: 3s}", "there is no twin beside this act"),
    ("&a calm\n      - *a", "no anchors and aliases"),
]


def test_what_is_not_an_act_is_refused_in_one_line():
    wrong = {
        text: why(text)
        for text, expected in NOT_AN_ACT
        if not why(text).startswith(expected) or "\n" in why(text)
    }
    assert wrong == {}


def test_every_mistake_in_an_action_is_one_line_with_its_line_number():
    wrong = {}
    for action, expected in BAD_ACTIONS:
        # After a good action, so that the line is not simply the first one.
        line = why(f"{HEAD}      - calm\n      - {action}")
        if (
            not line.startswith(("x.yaml:8: ", "x.yaml:9: "))
            or expected not in line
            or "\n" in line
        ):
            wrong[action] = line
    assert wrong == {}


def test_the_line_number_is_that_of_the_value_not_of_the_step():
    text = HEAD + "      - wait:\n          until:\n            lights: {order: rad}\n"
    assert why(f"{text}          limit: 3s").startswith("x.yaml:9: there is no value `rad` (is `r")


def test_more_responses_than_customers_can_never_hold():
    load = f"{HEAD}      - load: {{product: PROD-001, count: 10}}\n"
    parse(f"{load}      - expect: {{told: {{accepted: '>= 10'}}}}", "x", "x.yaml")
    assert "at most 10 orders were placed until here" in why(
        f"{load}      - expect: {{told: {{accepted: '>= 11'}}}}"
    )


def test_more_responses_than_payers_can_never_hold():
    pay = f"{HEAD}      - pay: {{merchant: m1, amount: 100, count: 10}}\n"
    parse(f"{pay}      - expect: {{payers: {{paid: 10}}}}", "x", "x.yaml")
    assert "at most 10 payments were made until here" in why(
        f"{pay}      - expect: {{payers: {{paid: '> 10'}}}}"
    )


def test_what_cannot_be_done_to_a_twin_is_refused_in_an_act_with_one():
    beside = f"twin: naive\n{HEAD}"
    parse(f"{beside}      - expect: {{twin: {{stuck: 0}}}}", "x", "x.yaml")
    killed = why(f"{beside}      - kill: {{service: order, away: 3s}}")
    assert killed.startswith("x.yaml:8: `kill` is for a shop that was started with `valerix up`")
    assert why(f"twin: nave\n{HEAD}      - calm").startswith(
        "x.yaml:1: there is no value `nave` (is `naive` meant?)"
    )


def test_the_twins_of_an_act_and_their_figures_are_those_of_their_room():
    assert get_args(TwinName) == twin.NAMES
    assert ShopFigures.__struct_fields__ == Counts.__struct_fields__
    assert TwinCounts.__struct_fields__ == Counts.__struct_fields__


def test_the_modes_of_an_account_are_those_of_the_acquirer():
    assert {str(mode) for mode in get_args(AccountMode)} == set(get_args(Mode))


@settings(deadline=None)
@given(st.text(alphabet=st.sampled_from("titleachsp:-[]{}&*!'\"#|>%@ \n\t0123\x00é"), max_size=60))
def test_any_text_is_an_act_or_one_line_of_error(text):
    assert "\n" not in why(text)


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8),
    st.sampled_from(["3s", "> 3", "red", "order", "PROD-001", "calm", "hold", "latency"]),
)  # fmt: skip
KEYS = st.sampled_from([
    "title", "teaches", "steps", "say", "do", "wait", "until", "limit", "lights", "order", "load",
    "rate", "for", "count", "product", "gremlin", "kind", "service", "ttl", "delay", "expect",
    "promises", "stock", "left", "pay", "account", "mode", "payments",
    "legs", "payers", "shelf", "exactly", "kill", "away", "told", "accepted",
])  # fmt: skip


@settings(deadline=None)  # a busy machine makes one of them take long
@example(["\n"])
@example(["\x1b[31m\u2028"])
@given(
    st.recursive(
        VALUES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4)
    )
)
def test_any_values_are_an_act_or_one_line_of_error(values):
    text = f"title: T\nteaches: x\nsteps:\n  - title: a\n    say: b\n    do: {json.dumps(values)}"
    assert len(why(text).splitlines()) <= 1


def test_a_file_that_cannot_be_an_act_is_refused_with_the_reason(tmp_path: Path):
    with pytest.raises(BadAct, match="cannot be read: No such file"):
        read(tmp_path / "nothing.yaml")
    with pytest.raises(BadAct, match=r"there is no such act; there are: .*slow-inventory"):
        find("slow-invetory")
    large = tmp_path / "large.yaml"
    large.write_bytes(b"#" * 70_000)
    with pytest.raises(BadAct, match="larger than 64 KiB"):
        read(large)
    latin = tmp_path / "latin.yaml"
    latin.write_bytes("title: a\nteaches: Schrödinger".encode("latin-1"))
    with pytest.raises(BadAct, match=r"latin.yaml:2: this is not UTF-8"):
        read(latin)


def test_one_bad_file_does_not_hide_the_others(tmp_path: Path):
    (tmp_path / "bad.yaml").write_text("title: [")
    (tmp_path / "good.yaml").write_text((FOLDER / "last-units.yaml").read_text())
    good, bad = read_all(tmp_path)
    assert isinstance(bad, BadAct)
    assert isinstance(good, Scenario)


SHIPPED = [each for each in read_all() if isinstance(each, Scenario)]


def test_every_act_that_is_shipped_can_be_read():
    assert [each for each in read_all() if isinstance(each, BadAct)] == []
    assert {each.name for each in SHIPPED} >= {
        "slow-inventory", "schroedingers-warehouse", "payment-brown-out", "last-units",
        "operators-slip", "broken-leg", "unanswered-provider", "naive-flow",
    }  # fmt: skip


def test_every_shipped_act_says_where_to_look_and_ends_with_the_proof():
    for scenario in SHIPPED:
        steps: list[ActStep] = scenario.act.steps
        assert all(isinstance(step.look, str) for step in steps), scenario.name
        last = [what for step, _, what in scenario.act.actions() if step == len(steps) - 1]
        assert any(isinstance(what, Wait) and what.until.promises == "hold" for what in last)
        text = (FOLDER / f"{scenario.name}.yaml").read_text()
        assert text.startswith("# yaml-language-server: $schema=act.schema.json\n")


def test_the_schema_is_what_the_structs_say():
    assert schema.FILE.read_text() == schema.schema(), "run `make render`"


def test_the_schema_accepts_what_the_loader_accepts():
    for scenario in SHIPPED:
        SCHEMA.validate(yaml.safe_load((FOLDER / f"{scenario.name}.yaml").read_text()))


def test_the_schema_refuses_what_the_loader_refuses():
    actions = [
        {"gremlins": {}}, "clam", {}, 3, {"wait": {"until": {}}}, {"wait": {"limit": "3s"}},
        {"expect": {"money_in_doubt": -1}}, {"kill": {"service": "dashboard", "away": "3s"}},
        {"expect": {"money_in_doubt": 0}, "kill": {"service": "order", "away": "3s"}},
        {"expect": {"lights": {"dashboard": "green"}}},
    ]  # fmt: skip
    steps = [{"title": "a", "say": "b", "do": [action]} for action in actions]
    acts = [{"title": "T", "teaches": "x", "steps": [step]} for step in steps]
    assert [act["steps"][0]["do"] for act in acts if SCHEMA.is_valid(act)] == []


def test_the_services_of_an_act_are_those_of_the_topology():
    assert Lights.__struct_fields__ == tuple(process.key for process in LIT)
    assert Services.__struct_fields__ == tuple(NAMES)
    assert list(Service.__args__) == list(NAMES)
    assert list(Restartable.__args__) == list(RESTARTABLE)


LOOKS = next(field for field in fields(ActStep) if field.name == "look").type.__args__[0].__args__


def test_every_part_of_the_page_an_act_can_point_at_exists():
    """The overview has it, and the stylesheet frames it."""
    pages = "".join((TEMPLATES / name).read_text() for name in PAGES)
    missing = []
    for look in LOOKS:
        frames = re.search(rf'\[data-look="{look}"\]\) ([#.][\w.# -]+?)[,{{]', SHEET)
        if frames is None:
            missing.append(f"acts.css does not frame {look}")
            continue
        place = frames[1].split()[-1]
        if place.startswith("#panel-"):
            exists = any(TEMPLATES.glob(f"*/{place.removeprefix('#panel-')}.html"))
        else:
            exists = re.search(rf'class="[^"]*\b{place[1:]}\b', pages) is not None
        if not exists or look not in LOOK_LABELS:
            missing.append(f"no page has {place}, or it has no label")
    assert missing == []
