"""The gateway: Envoy, and the agent that runs it.

The agent is the process that the topology lists. It starts Envoy, again if it dies (`envoy.py`),
writes its configuration (`configuration.py`), reads its log (`access_log.py`) and lets gremlins
into it (`faults.py`). Its own port answers what every process answers: health, metrics, gremlins.
What customers may ask for is the `doors` of the topology (`doors.py`). docs/gateway.md tells the
rest; start reading in `app.py`."""
