"""People: from a password to a token, from a refresh token to its successor, and the end."""

import hashlib
import logging
import secrets

import msgspec

from chassis.database.pool import Database
from chassis.http.brake import Brake
from chassis.http.operator_auth import is_token
from chassis.http.problems import NOT_EXECUTED, Problem
from services.identity import contract, store
from services.identity.contract import LOGGED_OUT, TokenView
from services.identity.domain import User
from services.identity.passwords import Passwords
from services.identity.settings import DEMO_USERS, IdentitySettings, demo_password
from services.identity.tokens import PEOPLE, Mint, for_people

logger = logging.getLogger(__name__)

_OPERATOR = "operator"
REUSED = "a spent refresh token was shown again"


class Logins:
    """Everything that a person does to get a token."""

    def __init__(self, database: Database, settings: IdentitySettings, mint: Mint) -> None:
        self._database, self._settings, self._mint = database, settings, mint
        self.passwords = Passwords(settings)
        # By account, and in total: from how many addresses somebody guesses does not matter.
        self._brake = Brake(what="passwords")
        self._has_demo = bool(demo_password(settings))

    async def log_in(self, name: str, password: str) -> TokenView:
        """A token and a refresh token. `Problem`: 401 for a wrong password or name, 429 after too
        many of them."""
        self._brake.check(name)
        # Counted before it is looked at, or a thousand at once would all be looked at.
        self._brake.wrong(name)
        user = await self._right_user(name, password)
        if user is None:
            logger.warning("wrong password", extra={"user": name})
            raise Problem(
                401, contract.WRONG_PASSWORD, "There is no such user with this password",
                headers={"WWW-Authenticate": 'Bearer realm="valerix"', **NOT_EXECUTED},
            )  # fmt: skip
        self._brake.forgive(name)
        token, digest = _new_token()
        async with self._database.begin() as tx:
            life_s = self._settings.identity_refresh_s
            await store.begin_family(tx, user.user_id, digest, life_s=life_s)
        return await self._issue(user.user_id, user.roles, token)

    async def refresh(self, token: str) -> TokenView | None:
        """The successor of a refresh token, with an access token; None where it is not good. One
        that is spent was stolen, or its successor was: its family ends."""
        successor, digest = _new_token()
        async with self._database.begin() as tx:
            found = await store.lock_token(tx, _digest(token))
            if found is None or found.is_over or (found.is_demo and not self._has_demo):
                return None
            if found.state != "LIVE":
                await store.revoke(tx, found.family_id, REUSED)
                logger.warning(REUSED, extra={"user": found.user_id})
                return None
            await store.succeed(tx, found, digest)
        return await self._issue(found.user_id, found.roles, successor)

    async def revoke(self, token: str) -> None:
        """Log out: end the family of a refresh token, if it is one."""
        async with self._database.begin() as tx:
            if found := await store.lock_token(tx, _digest(token)):
                await store.revoke(tx, found.family_id, LOGGED_OUT)

    async def _issue(self, user: str, roles: list[str], refresh: str) -> TokenView:
        life_s = self._settings.identity_access_s
        view = await self._mint.issue(user, PEOPLE, roles, for_people(roles), life_s)
        return msgspec.structs.replace(view, refresh_token=refresh)

    async def _right_user(self, name: str, password: str) -> User | None:
        if name == _OPERATOR and is_token(password, self._settings):
            return await self._operator()
        async with self._database.connect() as connection:
            user = await store.find_user(connection, name)
        if user is None and name in DEMO_USERS and self._has_demo:
            user = await self._add_demo_users(name)
        if user is not None and user.is_demo and not self._has_demo:
            user = None
        right = await self.passwords.is_right(user.password_hash if user else None, password)
        return user if right else None

    async def _operator(self) -> User:
        async with self._database.connect() as connection:
            await store.add_user(connection, _OPERATOR, None, [_OPERATOR])
        return User(_OPERATOR, None, [_OPERATOR], is_demo=False)

    async def _add_demo_users(self, name: str) -> User:
        """At the first of their logins: a start of the shop takes no password's time."""
        hashed = await self.passwords.hash(self._settings.identity_demo_password)
        async with self._database.begin() as tx:
            for each, role in DEMO_USERS.items():
                await store.add_user(tx, each, hashed, [role], is_demo=True)
        return User(name, hashed, [DEMO_USERS[name]], is_demo=True)


def _new_token() -> tuple[str, bytes]:
    token = f"rt_{secrets.token_urlsafe(32)}"
    return token, _digest(token)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
