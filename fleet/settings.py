"""The settings of each process of the topology: from the environment, then from valerix.yaml."""

import difflib
import os
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from importlib import import_module
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec

from chassis import settings
from chassis.settings import PREFIX, BadSetting, Found, RpcSettings, Settings
from chassis.telemetry.otel_variables import OtelVariables
from fleet.run_dir import ROOT
from topology import GRPC_ABOVE, KEYS, PROCESSES, SPEAKS_GRPC, find

S = TypeVar("S", bound=Settings)

FILE = "valerix.yaml"
# Read by the command line and by the tests, not by a process.
_OF_OTHERS = (
    "VALERIX_HOME",
    "VALERIX_CONFIG",
    "VALERIX_CHROMIUM",
    "VALERIX_CHAOS_ORDERS",
    "VALERIX_CHAOS_SEED",
)


def load(key: str, environ: Mapping[str, str] | None = None, **overrides: object) -> Settings:
    """The settings of the process `key` ("order", …); raises `BadSetting` with one clear line.

    The environment wins over the file, `overrides` over both; `<key>_url` overrides an address."""
    if key not in KEYS:
        raise BadSetting(f"no service is called {key!r}; there are: {', '.join(KEYS)}")
    return load_as(shape_of(key), key, environ, **overrides)


def load_as(
    shape: type[S], key: str, environ: Mapping[str, str] | None = None, **overrides: object
) -> S:
    """As `load`, but only what `shape` declares: for a command that needs a part of it."""
    environ = os.environ if environ is None else environ
    found = settings.read(
        shape,
        (_of_environ(environ), _of_file(environ)),
        key=key,
        port=find(key).port,
        addresses={each.key: f"http://127.0.0.1:{each.port}" for each in PROCESSES},
        otel=OtelVariables.of(environ),
        overrides=overrides,
    )
    return msgspec.structs.replace(found, **_over_grpc(found))


def _over_grpc(found: Settings) -> dict[str, object]:
    """Where this process speaks gRPC, and where it finds others that do, unless that is set."""
    derived: dict[str, object] = {}
    if isinstance(found, RpcSettings) and not found.grpc_port:
        derived["grpc_port"] = found.port + GRPC_ABOVE
    for process in SPEAKS_GRPC:
        field = f"{process.key}_grpc_url"
        if getattr(found, field, None) == "":
            derived[field] = _above(found.urls[process.key])
    return derived


def _above(url: str) -> str:
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return f"{parts.scheme}://{host}:{port + GRPC_ABOVE}"


@cache
def shape_of(key: str) -> type[Settings]:
    """The class of settings that the process declares in its `settings.py`."""
    module = import_module(f"{find(key).package}.settings")
    return next(
        each
        for each in vars(module).values()
        if isinstance(each, type)
        and issubclass(each, Settings)
        and each.__module__ == module.__name__
    )


def _of_environ(environ: Mapping[str, str]) -> dict[str, Found]:
    return {
        name: Found(value.strip(), name)
        for name, value in environ.items()
        if name.startswith(PREFIX)
    }


def _of_file(environ: Mapping[str, str]) -> dict[str, Found]:
    given = environ.get("VALERIX_CONFIG")
    path = Path(given) if given else ROOT / FILE
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        if given:
            raise BadSetting(f"VALERIX_CONFIG={given} cannot be read: no such file") from None
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise BadSetting(f"{path} cannot be read: {error}") from None
    return _read_file(path.name, text)


@lru_cache(maxsize=4)
def _read_file(name: str, text: str) -> dict[str, Found]:
    """Every entry of the file under the name of its variable; each mistake names its line."""
    import yaml  # only where there is a file

    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise BadSetting(f"{name}:{line}: this is not YAML: {_problem(error)}") from None
    if node is None:
        return {}
    if not isinstance(node, yaml.MappingNode):
        raise BadSetting(f"{name}:1: write settings as `name: value`, one a line")
    known, found = known_names(), dict[str, Found]()
    for at, value in node.value:
        place = f"{name}:{at.start_mark.line + 1}"
        variable = _variable(str(at.value))
        if not isinstance(value, yaml.ScalarNode):
            raise BadSetting(f"{place}: {at.value}: one value is expected, not a list or a mapping")
        if variable not in known:
            raise BadSetting(f"{place}: {at.value} is no setting{_meant(variable, known)}")
        if variable in found:
            raise BadSetting(f"{place}: {at.value} is written twice")
        found[variable] = Found(str(value.value).strip(), f"{place}: {at.value}")
    return found


def _problem(error: Exception) -> str:
    return str(getattr(error, "problem", None) or error).splitlines()[0]


def _variable(name: str) -> str:
    upper = name.upper()
    return upper if upper.startswith(PREFIX) else PREFIX + upper


@lru_cache(maxsize=1)
def known_names() -> frozenset[str]:
    """Every variable that some process reads."""
    own = {
        name
        for key in KEYS
        for field in settings.fields(shape_of(key))
        for name in settings.names_of(key, field)
    }
    return frozenset(own | {process.url_variable for process in PROCESSES})


def unknown(environ: Mapping[str, str]) -> list[str]:
    """Variables of ours that no process reads, each with the name that was perhaps meant."""
    known = known_names()
    return [
        f"{name}{_meant(name, known)}"
        for name in sorted(environ)
        if name.startswith(PREFIX) and name not in known and name not in _OF_OTHERS
    ]


def _meant(name: str, known: frozenset[str]) -> str:
    # The names that all processes share come first: those are what people write.
    general = sorted(
        settings.names_of(key, field)[1] for key in KEYS for field in settings.fields(shape_of(key))
    )
    near = difflib.get_close_matches(name, general, 1) or difflib.get_close_matches(name, known, 1)
    return f" (is {near[0]} meant?)" if near else ""


def table() -> str:
    """The settings as the Markdown that docs/settings.md shows: one table a room."""
    parts = []
    shared = settings.fields(Settings)
    parts.append(("Every process", Settings, shared))
    seen = set(shared)
    for process in PROCESSES:
        shape = shape_of(process.key)
        own = tuple(field for field in settings.fields(shape) if field not in seen)
        seen |= set(own)
        if own:
            parts.append((f"`{process.name}`", shape, own))
    return "\n".join(_section(*part) for part in parts)


def _section(title: str, shape: type[Settings], names: tuple[str, ...]) -> str:
    return "\n".join([f"## {title}", "", *_rows(shape, names), ""])


def _rows(shape: type[Settings], names: tuple[str, ...]) -> Iterator[str]:
    yield from ("| variable | default | reason |", "|---|---|---|")
    defaults = {field.name: field.default for field in msgspec.structs.fields(shape)}
    for name in names:
        shown = "empty" if defaults[name] == "" else f"`{defaults[name]}`"
        if name == "port":
            shown = "the fleet's"
        yield f"| `{PREFIX}{name.upper()}` | {shown} | {settings.reason_of(shape, name)} |"
    if shape is Settings:
        for process in PROCESSES:
            default = f"`http://127.0.0.1:{process.port}`"
            reason = f"Where the others find {process.name}."
            yield f"| `{process.url_variable}` | {default} | {reason} |"
