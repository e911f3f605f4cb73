"""A profile as Locust wants it: asked once a second how many users there should be."""

from locust import LoadTestShape

from loadtests.plan import LoadPlan

# Users a second: every change of a profile is meant to be there at once.
_SPAWN_RATE = 100.0


class ProfileShape(LoadTestShape):
    """The shape of one plan. An open loop has one user a process, whatever the profile's number."""

    abstract = False

    def __init__(self, plan: LoadPlan) -> None:
        super().__init__()
        self.plan = plan

    def tick(self) -> tuple[int, float] | None:
        """Users and spawn rate now; None at the end."""
        users = self.plan.what.users_at(self.get_run_time(), self.plan.scale)
        if users is None:
            return None
        return (self._processes() if self.plan.rate else users), _SPAWN_RATE

    def _processes(self) -> int:
        return max(1, getattr(self.runner, "worker_count", 1))
