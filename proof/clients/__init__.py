"""The clients' side: what they were answered, and whether the database agrees with it.

Load generators and tests write the log (`intent.py`, `log.py`); `oracle.py` compares it with the
orders as they ended (invariant I16)."""
