"""The Chromium that tests drive: where it is, and how it is started."""

import os
import shutil

# The first is the same engine without windows of its own: a page costs a third of the time.
_NAMES = (
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
)
# A browser in a container has no sandbox, no graphics card, and nothing to tell anybody; for one
# site it needs no process apart from the one its window was opened with.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-site-isolation-trials",
    "--disable-features=IsolateOrigins,site-per-process,SpareRendererForSitePerProcess",
]
# For an element to come as for a page to load: a busy machine is not what is tested.
PATIENCE_MS = 20_000


def executable() -> str | None:
    """VALERIX_CHROMIUM names another than the one on PATH; None where there is neither."""
    return os.environ.get("VALERIX_CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
