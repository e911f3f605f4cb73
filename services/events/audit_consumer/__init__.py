"""The audit consumer: every event of the shop in an append-only log, chained by hash.

Owns schema `audit`. Calls nobody. Promises that each event has one line, that the lines of an
aggregate stand in its order, and that a line that was changed or taken away is found out. An
event that cannot be written holds back its aggregate alone. Start reading at `log.py`.
"""
