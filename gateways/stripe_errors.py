"""What the official library raises, as the failures that a connector may have."""

from collections.abc import Awaitable, Callable
from typing import NoReturn, TypeVar

import aiohttp
import stripe

from gateways import GatewayNotSent, GatewayUnknown

T = TypeVar("T")

# The account says that it did nothing.
_NOT_DONE = (stripe.RateLimitError, stripe.AuthenticationError, stripe.PermissionError)


async def asked(call: Callable[[], Awaitable[T]], *, lets: type[Exception] | tuple[()] = ()) -> T:
    """The library's answer; every other failure than `lets` as one of ours."""
    try:
        return await call()
    except lets:
        raise
    except stripe.StripeError as error:
        failed(error)
    except (aiohttp.ClientError, OSError, ValueError, KeyError, TypeError) as error:
        raise GatewayUnknown(f"{type(error).__name__} in the answer") from error


def failed(error: stripe.StripeError) -> NoReturn:
    """Raise it as one of ours."""
    if isinstance(error, _NOT_DONE) or isinstance(error.__cause__, aiohttp.ClientConnectorError):
        raise GatewayNotSent(brief(error)) from error
    raise GatewayUnknown(brief(error)) from error


def brief(error: stripe.StripeError) -> str:
    """The kind of failure; never the message, which may repeat what was sent."""
    return f"{type(error).__name__} {error.http_status or ''} {error.code or ''}".strip()
