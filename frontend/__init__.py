"""The dashboard: the shop under glass, with the switches that break it and the proof that it held.

It owns no data. It acts through the services' own HTTP clients, and watches from where watching
changes nothing: `/health`, `/metrics` and read-only SQL. Start reading in app.py, then
live_state.py (what is known right now) and one folder a page: page.py (its URLs), panels.py (what
is on it), presenter.py (from what is known to what is shown) and the templates. web/ is what every
page needs.
"""
