"""The relay: publishes what every process of the shop has written in its outbox.

Owns schema `events`; of other schemas it reads `outbox` and writes two columns of it,
`position` and `confirmed_at`. Calls nobody but the transport. Promises that every event that
was committed is published at least once, in its aggregate's order, and is marked only after the
transport confirmed that very message. Any number may run: one leads, the others wait. Start
reading at `relay.py`.
"""
