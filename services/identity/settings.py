"""What the identity service runs with, beside what every process needs."""

from typing import Annotated

from msgspec import Meta

from chassis.settings import BadSetting, Count, Seconds, Settings, why

# Who may sign in with the demo password, and as what.
DEMO_USERS = {"ada": "shopper", "operator": "operator", "admin": "admin"}
_Long = Annotated[float, Meta(gt=0, le=90 * 86_400)]


class IdentitySettings(Settings, frozen=True, kw_only=True):
    """How long tokens and keys live, and what a password costs."""

    identity_demo_password: Annotated[
        str,
        why(
            "Opens the accounts ada, operator and admin, on loopback alone and without an operator "
            "token. Empty: none."
        ),
    ] = "demo-password"  # noqa: S105 - known to everybody
    identity_access_s: Annotated[
        Seconds, why("A person's access token cannot be taken back, so it ends soon.")
    ] = 300.0
    identity_service_s: Annotated[
        Seconds, why("A service's token; renewed at half, it outlives half an hour without us.")
    ] = 3600.0
    identity_refresh_s: Annotated[
        _Long, why("A working day; whoever comes back later signs in again.")
    ] = 43_200.0
    identity_rotate_every_s: Annotated[
        _Long, why("A key that leaked is worth a day at most; rotation costs nothing.")
    ] = 86_400.0
    identity_key_lead_s: Annotated[
        Seconds,
        why("A new key is published this long before it signs: far longer than keys are kept."),
    ] = 60.0
    identity_poll_s: Annotated[Seconds, why("How soon each replica sees that keys changed.")] = 1.0
    identity_hash_kib: Annotated[
        Annotated[int, Meta(ge=8, le=4 * 1024 * 1024)],
        why("Argon2id's memory: RFC 9106's second choice, for machines with little of it."),
    ] = 65_536
    identity_hashes_at_once: Annotated[
        Count, why("Each takes 64 MiB and a core for a fifth of a second.")
    ] = 2

    def demand_consistent(self) -> None:
        """Raise `BadSetting` for a key that would sign before everybody has it."""
        if self.identity_key_lead_s <= self.identity_keys_every_s:
            raise BadSetting(
                "VALERIX_IDENTITY_KEY_LEAD_S must be more than VALERIX_IDENTITY_KEYS_EVERY_S: a "
                "key must be known before it signs"
            )


def demo_password(settings: IdentitySettings) -> str:
    """What opens the demo users' accounts; empty where the shop is guarded."""
    return "" if settings.is_exposed or settings.operator_token else settings.identity_demo_password
