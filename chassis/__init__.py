"""How any service runs: no business words live here.

Read in this order: `app.py` (what a service is made of), `edge.py` (what every request passes
through), `database.py` and `outbound.py` (the two ways out), `gremlins.py` (faults on purpose).
"""

VERSION = "0.1.0"
