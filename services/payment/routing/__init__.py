"""Which account takes a leg after one did not: `next_account.py`, a function of values alone."""
