"""What Prometheus records and when it calls: one definition, rendered to rules/*.yml.

`slo.py` is the definition of the objectives, `names.py` what both rules and dashboards call things.
`lights.py`, `burn.py` and `alerts.py` make rules of them; `python -m prometheus` writes the files.
Beside them lie the configuration itself, the targets of either stack, and the rules' unit tests.
"""
