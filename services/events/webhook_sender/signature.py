"""Secrets and headers of Standard Webhooks 1.0.0, by its official library; pure."""

import secrets
from base64 import b64encode
from datetime import datetime

from standardwebhooks import Webhook

_PREFIX = "whsec_"
# The specification asks for 24 to 64 bytes.
_SECRET_BYTES = 32


def new_secret() -> str:
    """A secret: `whsec_` and 32 random bytes in base64."""
    return _PREFIX + b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def signed_headers(webhook_id: str, at: datetime, body: str, secret: str) -> dict[str, str]:
    """The three headers of a message; `at`, in UTC, is when it is sent."""
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(webhook_id, at, body),
    }
