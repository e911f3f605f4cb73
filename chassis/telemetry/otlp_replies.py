"""What a collector took only in part: its exporter forgets it, and lost telemetry is counted."""

import threading
from typing import Any


class Replies(threading.local):
    """The collector's response to the batch that this thread is sending."""

    rejected = 0
    message = ""

    def begin(self) -> None:
        """Forget the response before."""
        self.rejected, self.message = 0, ""

    def note(self, response: Any) -> None:
        """An Export*ServiceResponse; each signal has its own name for what was rejected."""
        partial = response.partial_success
        names = ("rejected_spans", "rejected_log_records")
        self.rejected = sum(getattr(partial, name, 0) for name in names)
        self.message = partial.error_message


replies = Replies()
