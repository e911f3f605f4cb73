"""The panel of steady traffic: any page shows it with `panel("traffic")`."""

from frontend.traffic import presenter
from frontend.traffic.switch import TrafficSwitch
from frontend.web.panels import Panel


def traffic_panels(switch: TrafficSwitch) -> list[Panel]:
    """The switch."""
    return [
        Panel(
            "traffic/traffic.html",
            ("traffic",),
            lambda _: presenter.traffic(switch.traffic, switch.most_per_s),
        )
    ]
