"""How any service runs: the edge, gremlins, outgoing calls, the database, signals."""
