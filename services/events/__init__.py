"""Events: the relay that publishes what happened, and two consumers.

Each of the three is a process with a schema of its own. Start reading at `relay/relay.py`, then
`chassis/messaging/consumer.py`.
"""
