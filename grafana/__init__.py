"""What Grafana shows: five dashboards written as Python, rendered to dashboards/*.json.

`board.py` is the frame of each, `panels.py` the kinds of panel, `queries.py` the kinds of query;
then one module per dashboard. `python -m grafana` writes the files; provisioning/ configures
Grafana with their folder and with its data sources.
"""
