"""Where Prometheus finds the shop's containers: one target per process of the topology."""

import json

from topology import PROCESSES


def render() -> str:
    """The file that service discovery reads, one target per line."""
    targets = [
        {"targets": [f"{process.name}:{process.port}"], "labels": {"service": process.name}}
        for process in PROCESSES
    ]
    lines = ",\n".join(f"  {json.dumps(target)}" for target in targets)
    return f"[\n{lines}\n]\n"
