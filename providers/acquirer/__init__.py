"""The acquirer: a card payment provider of the world outside, behind a subset of Stripe's API.

Owns      the schema `acquirer`: accounts, intents, charges, refunds, balance transactions, events,
          webhook endpoints and idempotency keys. Nothing else writes it; the dashboard reads
          from it how it misbehaves on purpose.
Calls     nobody, but the webhook endpoints that its accounts have registered.
Promises  that the official `stripe` library works against it unchanged; that an intent is paid at
          most once, whatever is confirmed, captured or cancelled at the same time; that a key and
          what it did commit together, and the first result is replayed, a 500 included; that every
          event reaches its endpoints at least once, for as long as they refuse it, three days long.
Start at  `routes.py` (what is asked), then `execute.py` (what every write passes through), then
          `payments.py` and `refunds.py` (what happens to money) with the state machine of
          `domain.py`. `modes.py` and `webhook_faults` make it misbehave on purpose.
"""
