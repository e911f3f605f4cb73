"""The generator: Locust's users and runners. Importing it patches the process for gevent.

That is why it runs in processes of its own, started by `loadtests/run.py`, and why nothing outside
this room imports it. Start reading at `shopper.py`, then `process.py`.
"""
