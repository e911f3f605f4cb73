"""Where Prometheus finds the shop's containers: a target for each page of metrics."""

import json

from topology import PROCESSES


def render() -> str:
    """The file that service discovery reads, one target per line."""
    targets = [
        {"targets": [f"{process.name}:{process.port}"], "labels": each}
        for process in PROCESSES
        for each in process.targets
    ]
    lines = ",\n".join(f"  {json.dumps(target)}" for target in targets)
    return f"[\n{lines}\n]\n"
