"""What Prometheus scrapes, records and alerts on: Python definitions, rendered to files.

`slo.py` defines the objectives, `names.py` the PromQL that rules and dashboards share. `lights.py`,
`burn.py` and `alerts.py` define the rules; `targets.py` lists the containers of the topology.
`python -m prometheus` writes rules/*.yml and targets/compose/shop.json. The folder also holds the
configuration itself, the targets of the other containers, and the unit tests of the rules.
"""
