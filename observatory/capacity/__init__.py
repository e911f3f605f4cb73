"""How much of everything so many orders a second take, and which limit comes first.

`plan.py` computes it from what one order took in `make bench`; `measured.json` is such a run."""
