"""Which Envoy is installed; the supervisor asks too, so this imports nothing of the agent."""

import shutil
import sys
from importlib.util import find_spec
from pathlib import Path


def find_envoy(named: str = "") -> str | None:
    """The Envoy to run: the `named` one, that of the wheel, that on PATH; None without any."""
    if named:
        return named
    spec = find_spec("envoy")
    if spec is not None and spec.origin is not None:
        path = Path(spec.origin).parent / "_bin/envoy"
        if path.exists():
            return str(path)
    return shutil.which("envoy")


def missing() -> str:
    """Why there is no gateway here, and what to do."""
    return (
        f"no Envoy is installed: its wheel is made for Linux x86-64 and arm64 and macOS arm64, and "
        f"this is {sys.platform}; set VALERIX_GATEWAY_ENVOY to one of your own"
    )
