"""Policies as they are kept: checked, saved as a version for good, given to a merchant, and tried
on payments of the past.

Start at `endpoint.py` (what is asked), then `what_if.py` (a stored payment decided again, no I/O)
and `store.py`. The language itself is `services/payment/policy/`.
"""
