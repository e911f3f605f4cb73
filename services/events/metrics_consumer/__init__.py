"""The metrics consumer: business counters, counted from events.

Owns schema `metrics`. Calls nobody. Promises that an event counts once, whatever is delivered
twice, replayed or restarted, because a counter is a row that moves in the transaction of the
inbox. It does not care for order. Start reading at `counters.py`.
"""
