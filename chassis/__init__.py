"""How any service runs: it knows no order, no payment and no process by name.

Read in this order: `http/app.py` (what a service is made of), `http/edge.py` (what every request
passes through), `database/pool.py` and `http/outbound.py` (the two ways out), `outcome.py`,
`due_work.py` and `idempotency.py` (what the protocol needs of any service), `faults/kinds.py`
(gremlins: faults on purpose).
"""

VERSION = "0.1.0"
