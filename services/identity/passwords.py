"""Passwords by Argon2id (RFC 9106), off the event loop, a few at a time."""

import asyncio
from functools import cached_property
from typing import TYPE_CHECKING

from services.identity.settings import IdentitySettings

if TYPE_CHECKING:
    from argon2 import PasswordHasher


class Passwords:
    """Hashes and compares. Each takes much memory on purpose, so only some run at once."""

    def __init__(self, settings: IdentitySettings) -> None:
        self._kib = settings.identity_hash_kib
        self._places = asyncio.Semaphore(settings.identity_hashes_at_once)
        self._nobody = ""

    @cached_property
    def _hasher(self) -> "PasswordHasher":
        from argon2 import PasswordHasher
        from argon2.profiles import RFC_9106_LOW_MEMORY as LOW

        return PasswordHasher(LOW.time_cost, self._kib, LOW.parallelism, LOW.hash_len, LOW.salt_len)

    async def hash(self, password: str) -> str:
        """What may be stored of it."""
        async with self._places:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def is_right(self, stored: str | None, password: str) -> bool:
        """Whether it is the password; where nothing is stored it takes as long, and is wrong."""
        if stored is None and not self._nobody:
            self._nobody = await self.hash("nobody's")
        async with self._places:
            fits = await asyncio.to_thread(self._verify, stored or self._nobody, password)
        return fits and stored is not None

    def _verify(self, stored: str, password: str) -> bool:
        from argon2.exceptions import VerifyMismatchError

        try:
            return self._hasher.verify(stored, password)
        except VerifyMismatchError:
            return False
