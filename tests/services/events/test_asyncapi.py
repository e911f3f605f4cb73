"""The document of the events is one that AsyncAPI's own schema accepts."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema_rs import Draft7Validator

from services.events import asyncapi


@pytest.fixture(scope="module")
def official() -> Draft7Validator:
    """Version 3.0.0, as its authors publish it."""
    return Draft7Validator(json.loads((Path(__file__).parent / "asyncapi/3.0.0.json").read_text()))


def test_the_document_is_asyncapi(official: Draft7Validator):
    official.validate(yaml.safe_load(asyncapi.FILE.read_text()))


def _lose_title(document: dict[str, Any]) -> None:
    del document["info"]["title"]


def _shout(document: dict[str, Any]) -> None:
    document["operations"]["sendOrderCreated"]["action"] = "shout"


def _bind_badly(document: dict[str, Any]) -> None:
    document["channels"]["OrderCreated"]["bindings"]["amqp"]["exchange"]["type"] = "best"


@pytest.mark.parametrize("spoil", [_lose_title, _shout, _bind_badly])
def test_what_is_not_asyncapi_is_found(
    official: Draft7Validator, spoil: Callable[[dict[str, Any]], None]
):
    document = yaml.safe_load(asyncapi.FILE.read_text())
    spoil(document)
    assert not official.is_valid(document)
