"""Sees to it that each account sends its events to this service, and that we can check them."""

import asyncio
import logging

from chassis.due_work import Backoff
from gateways import GatewayNotSent, GatewayUnknown, OutsideAccount
from services.payment.context import PaymentContext
from services.payment.settings import PaymentSettings
from services.payment.webhooks import inbox

logger = logging.getLogger(__name__)

# An account that is away is back within seconds, or somebody works on it.
_AGAIN = Backoff(base_s=1.0, max_s=60.0)


class WebhookEndpoints:
    """One replica's watch over the endpoints; any number may run."""

    def __init__(self, context: PaymentContext, settings: PaymentSettings) -> None:
        self._context = context
        # The acquirer finds us where everybody does; an account elsewhere has to be told.
        known = "" if settings.payment_stripe_url else settings.urls["payment"]
        self._base = (settings.payment_webhook_url or known).rstrip("/")
        self._every_s = settings.payment_webhook_check_s

    async def run(self) -> None:
        """Until every account has its endpoint, sooner and later; then now and then, for ever.
        Nothing to do without an address of ours."""
        if not self._base:
            return
        in_vain = 0
        while True:
            in_vain = 0 if await self.run_once(is_first=not in_vain) else in_vain + 1
            await asyncio.sleep(_AGAIN.delay_s(in_vain, 0.0) if in_vain else self._every_s)

    async def run_once(self, *, is_first: bool = False) -> bool:
        """Look at every account once; whether each has its endpoint now. What the first look does
        not find may be starting beside us."""
        names = self._context.accounts
        return all([await self._is_ensured(name, is_first=is_first) for name in names])

    async def _is_ensured(self, name: str, *, is_first: bool) -> bool:
        try:
            async with asyncio.timeout(self._context.gateway_timeout_s):
                return await self._ensure(name, self._context.accounts[name])
        except (GatewayUnknown, GatewayNotSent, TimeoutError) as error:
            logger.log(
                logging.INFO if is_first else logging.WARNING,
                "an account's events cannot be ordered yet: %s",
                str(error) or "no answer in time",
                extra={"provider": name},
            )
            return False

    async def _ensure(self, name: str, account: OutsideAccount) -> bool:
        url = f"{self._base}/webhooks/{name}"
        database = self._context.database
        async with database.connect() as connection:
            ours = await inbox.endpoint_of(connection, name)
            has_secret = await inbox.secret_of(connection, name) is not None
        found = await account.webhooks.endpoints(url)
        is_whole = ours is not None and has_secret and ours.url == url and ours.endpoint in found
        keep = ours.endpoint if ours is not None and is_whole else None
        # What is signed with a secret that nobody knows would only ever be refused.
        others = [each for each in found if each != keep]
        if ours is not None and ours.url != url:
            others.append(ours.endpoint)
        for each in others:
            await account.webhooks.delete_endpoint(each)
        if is_whole:
            return True
        made = await account.webhooks.create_endpoint(url)
        async with database.connect() as connection:
            kept = await inbox.keep_endpoint(connection, name, url, made, ours)
        if not kept:
            # Another replica was quicker; whether its endpoint outlived our tidying is seen again.
            await account.webhooks.delete_endpoint(made.endpoint)
            return False
        logger.info(
            "an account sends its events here", extra={"provider": name, "endpoint": made.endpoint}
        )
        return True
