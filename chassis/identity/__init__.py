"""Who asks: the caller of a request, found out from its token with keys that are kept here.

`caller.py` is what handlers use, `tokens.py` says which tokens are good, `keys.py` fetches the keys
that they are signed with. Tokens are made by whoever publishes those keys, and by nobody else."""
