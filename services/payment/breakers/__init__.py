"""Breakers: an account that does not answer is asked for no new money for a while.

They block new authorisations alone; captures, voids, refunds and finding out always pass. The rows
are in PostgreSQL, so the whole fleet agrees. `breakers.py` is what the service holds, `store.py`
the statements.
"""
