"""Whether the accounts' own files say what our ledger says, line by line.

A day's settlement file of an account is fetched (`run.py`) and read (`settlement_file.py`). Each
line is matched with one posting of the ledger and with how its payment stands, and each posting
with one line (`match.py`): amount, currency, and the fee by the account's terms at that time.
Lines, runs and differences are rows (`store.py`); a difference has an owner state, and is resolved
by a later run that matches, or by hand. It runs every night, on request (`routes.py`), and by
`valerix reconcile`.

What an account charges is posted nowhere here: the ledger has captures and refunds, and a line of a
file has its fee.
"""
