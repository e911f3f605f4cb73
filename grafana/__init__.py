"""What Grafana shows: five dashboards written as Python, rendered to dashboards/*.json.

`board.py` is the frame of each, `panels.py` the kinds of panel, `ask.py` the kinds of query; then
one module a dashboard. `python -m grafana` writes the files; provisioning/ tells Grafana where they
are and where its data comes from.
"""
