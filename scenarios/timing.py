"""How fast an act is observed: as an audience sees it, or faster for a build machine."""

from msgspec import Struct

from observatory.sla import WINDOW_S
from observatory.sources.embedded_metrics import SCRAPE_EVERY_S


class Timing(Struct, frozen=True):
    """`window_s` is what the lights average over, `scrape_s` how often the services are asked,
    `judge_s` how often the promises are; `pace` shortens how long an alert waits."""

    window_s: float = WINDOW_S
    scrape_s: float = SCRAPE_EVERY_S
    judge_s: float | None = None
    pace: float = 1.0


USUAL = Timing()
# The same file, the same conditions, the same limits: only the averages forget five times sooner.
# Six seconds still hold a dozen scrapes, so that a light does not depend on luck.
QUICK = Timing(window_s=6.0, scrape_s=0.5, judge_s=0.5, pace=0.2)
