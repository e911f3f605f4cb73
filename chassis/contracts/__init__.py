"""Checks messages against the JSON Schema of their contract, beside the requests they belong to.

A contract is a wire struct (`contract.py`, a route's declared types, what a client decodes with);
its schema is made from it and written nowhere. `routes.py` says which contract a route's messages
have, `tap.py` copies those of a sampled request, `checks.py` queues them and checks them in the
background, `schema.py` says what is wrong, and `masked.py` what may be shown of it."""
