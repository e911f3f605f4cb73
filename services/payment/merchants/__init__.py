"""Merchants: whose payments these are, what their requests default to, which accounts they use.

`merchant.py` has the values, `store.py` reads them, with what each account charges and still takes.
"""
