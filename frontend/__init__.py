"""The dashboard: the shop under glass, with the switches that break it and the proof that it held.

It owns no data. It acts through the services' own HTTP clients, and watches from where watching
changes nothing: `/health`, `/metrics` and read-only SQL. Start reading in app.py, then watch.py
(what is known right now), panels.py (how it is shown) and actions.py (what a visitor can do).
"""
