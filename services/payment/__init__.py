"""Payments: takes an order's money once, gives it back when the order is cancelled, loses none.

Owns      the schemas `payments` (one payment an order, its attempts, the ledger) and, standing in
          for the world outside, `gateway` (the mock providers' own book).
Calls     a payment provider through `connectors/`; no other service.
Promises  one capture an order, whatever is lost, late or repeated on the way; a cancel wins over
          every charge that comes after it; what a provider did not answer stays unknown until the
          provider says, and is never taken for a no because time has passed.
Start at  `routes.py` (what is asked), then `charging.py` (how money moves: intent, gateway,
          settlement), then `outcomes.py` (what a gateway can say and what it does to the two state
          machines of `domain.py`). `prober.py` finishes what a request could not; `sweep.py` gives
          back what a gateway that cannot fence captured too late.
"""
