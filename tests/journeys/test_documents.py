"""Each service keeps what its OpenAPI document says, whatever Schemathesis thinks of asking it."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from anyio.from_thread import start_blocking_portal
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import positive_data_acceptance

from chassis.http.problems import MEDIA_TYPE
from tests.journeys.shop import Shop

SERVICES = ("order", "inventory", "payment")
# The chassis answers these in every service alike; the order service's are tried.
SHARED = ("/health", "/metrics", "/gremlin")
EXAMPLES = 4
_bounded = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def urls(module_database: str) -> Iterator[dict[str, str]]:
    """The shop in a thread of its own, because Schemathesis is not asynchronous."""
    with start_blocking_portal(backend="asyncio") as portal:
        shop = Shop(module_database, {})
        portal.call(shop.open)
        yield shop.urls
        portal.call(shop.close)


def _document(url: str) -> schemathesis.BaseSchema:
    document = schemathesis.openapi.from_url(f"{url}/schema/openapi.json", timeout=60)
    # 422 is for a key, or an order, that Hypothesis happened to use before.
    accepting = document.config.checks.positive_data_acceptance
    accepting.expected_statuses = [*accepting.expected_statuses, "422"]

    @document.hook
    def map_body(_: schemathesis.HookContext, body: Any) -> Any:
        return _whole(body)

    return document


def _whole(value: Any) -> Any:
    """JSON Schema calls 1.0 an integer; the shop's contract does not, and a 400 is right."""
    if isinstance(value, dict):
        return {name: _whole(each) for name, each in value.items()}
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


# What is wrong is refused by the chassis, the same for every service.
_LONG = {(service, GenerationMode.NEGATIVE) for service in ("order", "payment")}


@pytest.mark.parametrize(
    ("service", "mode"),
    [
        pytest.param(
            service,
            mode,
            id=f"{service}-{mode.value}",
            marks=[pytest.mark.long] if (service, mode) in _LONG else [],
        )
        for service in SERVICES
        for mode in GenerationMode
    ],
)
def test_every_operation_keeps_the_document(
    urls: dict[str, str], service: str, mode: GenerationMode, subtests: pytest.Subtests
):
    tried = 0
    for found in _document(urls[service]).get_all_operations():
        operation = found.ok()
        if service != "order" and operation.path.startswith(SHARED):
            continue
        with subtests.test(operation.label):
            try:
                _try(operation, mode, urls[service])
                tried += 1
            except Unsatisfiable:
                # An operation without input cannot be asked wrongly.
                assert mode is GenerationMode.NEGATIVE
    assert tried >= 3


def _try(operation: schemathesis.APIOperation, mode: GenerationMode, url: str) -> None:
    @_bounded
    @given(case=operation.as_strategy(generation_mode=mode))
    def keeps_it(case: schemathesis.Case) -> None:
        # A cursor is ours to write; a gremlin's routes and delay depend on what there is, and a
        # merchant's request on a card's check digit and the values of its policy.
        unsayable = case.path == "/process-payment" or (
            "gremlin" in case.path or "cursor" in (case.query or {})
        )
        try:
            answer = case.call_and_validate(
                excluded_checks=[positive_data_acceptance] if unsayable else []
            )
        finally:
            if "gremlin" in case.path:
                httpx.delete(f"{url}/gremlins").raise_for_status()
        if answer.status_code >= 400 and operation.path != "/health/ready":
            assert answer.headers["content-type"] == [MEDIA_TYPE]
            assert answer.status_code < 500

    keeps_it()


@pytest.mark.parametrize("service", SERVICES)
def test_the_document_and_its_page_name_every_operation_and_its_problems(
    urls: dict[str, str], service: str
):
    document = httpx.get(f"{urls[service]}/schema/openapi.json").json()
    page = httpx.get(f"{urls[service]}/schema")
    assert "<script" not in page.text
    for path, item in document["paths"].items():
        for operation in item.values():
            assert operation["summary"] in page.text.replace("&#x27;", "'"), path
            assert MEDIA_TYPE in operation["responses"]["default"]["content"], path
            for status, answer in operation["responses"].items():
                if status.startswith("4"):
                    assert list(answer["content"]) == [MEDIA_TYPE], (path, status)
            for content in operation.get("requestBody", {}).get("content", {}).values():
                name = content["schema"].get("$ref", "").rpartition("/")[2]
                assert document["components"]["schemas"][name]["additionalProperties"] is False
