"""The order service: what was ordered, and the decision about it.

Owns schema `orders`. Calls inventory and payment. Promises that an accepted order always ends
CONFIRMED (paid once, goods held) or FAILED (no money kept, no goods held), whatever is lost, late,
repeated or killed on the way. Start reading at `checkout.py`; `domain.py` has the state machine.
"""
