"""Takes one webhook in: whose it is, whether it is signed, and that it is kept before it is
answered."""

from gateways import Unverified
from services.payment.context import PaymentContext
from services.payment.metrics import WebhookResult
from services.payment.webhooks import inbox


async def take_in(
    context: PaymentContext, provider: str, payload: bytes, signature: str
) -> WebhookResult:
    """Keep the event that these bytes are, if they are signed by the account; what became of it.

    With "accepted", "repeated" and "ignored" the event is in the inbox, committed."""
    account = context.accounts.get(provider)
    if account is None:
        return "unknown_account"
    if not signature:
        return "no_signature"
    async with context.database.connect() as connection:
        secret = await inbox.secret_of(connection, provider)
        if secret is None:
            return "no_secret"
        try:
            event = account.webhooks.read(payload, signature, secret)
        except Unverified as refused:
            return refused.why
        ignored = event.type not in account.webhooks.types
        kept = await inbox.keep(connection, provider, event, ignored=ignored)
    if not kept:
        return "repeated"
    return "ignored" if ignored else "accepted"
