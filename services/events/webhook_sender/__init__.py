"""The webhook sender: brings what happened to a merchant's payments to the addresses it named.

Owns schema `webhooks`. Calls no process of the shop, only those addresses. Promises that each
event has one delivery for each endpoint that was there when it happened, and that a delivery is
sent (at least once, signed, under one `webhook-id`), waits, or is dead after a day and can be
replayed. Start reading at `store.py` (the effect), then `sender.py`.
"""
