"""Incidents: what gremlins did to the lights and the orders, as the platform measured it.

Data goes one way: the gremlins' audit log becomes windows (fault_windows.py), the lights' changes
are recorded (light_log.py), both together are incidents (incident.py), kept by recorder.py."""
