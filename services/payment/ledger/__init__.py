"""The ledger: which accounts there are, and how a capture and a refund are posted.

Double entry, in schema `payments`: every line belongs to the capture or the refund of one leg of a
payment, the lines of each sum to zero, and each is posted once, by its key. `settlement.py` posts
them in the transaction that moves the attempt; nobody else writes here.
"""
