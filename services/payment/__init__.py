"""Payments: takes an order's money once, refunds it when the order is cancelled, loses none.

Owns      the schemas `payments` (payments with their legs and attempts, why each went where it
          went, the ledger, what providers sent) and, standing in for the world outside,
          `gateway` (the mock providers' own record).
Calls     a payment provider through `connectors/`; no other service.
Promises  one capture an order, whatever is lost, late or repeated on the way; a cancel wins over
          every charge that comes after it; what a provider did not answer stays unknown until the
          provider answers, and never becomes a no because time has passed.
Start at  `routes.py` (what is asked), then `charging.py` and `cancelling.py` (intent, gateway,
          settlement), then `outcomes.py` (what a gateway can answer and what that does to the two
          state machines of `domain.py`), and `legs.py` (all of them or none). `operations.py` asks
          about every leg until nothing is left (`asking.py` is one question), `ledger/` says how
          money that moved is posted. `reconciler.py` finishes what a request could not;
          `late_captures.py` refunds what a gateway that cannot fence captured after a cancel.
          `webhooks/` takes in what providers say of their own accord, `reconciliation/` matches
          what they settled with what is posted.
"""
