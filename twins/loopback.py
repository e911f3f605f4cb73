"""A twin is reached from its own machine alone."""

from collections.abc import Mapping

from chassis.addresses import is_loopback
from chassis.settings import Settings
from fleet.errors import CannotRun


def demand_loopback(settings: Mapping[str, Settings]) -> None:
    """Raise one line where a process, by its key, would be reached from elsewhere."""
    for key, each in settings.items():
        for host in filter(None, (each.host, each.published_on)):
            if not is_loopback(host):
                raise CannotRun(
                    f"a twin loses money on purpose, so it runs on loopback only, and {key} is set "
                    f"to {host}: unset VALERIX_HOST for this command"
                )
