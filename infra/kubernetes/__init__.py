"""The shop on Kubernetes: a kustomize base and components, rendered from the topology.

`sizes.py` has every number with its reason, `objects.py` what all objects share; `process.py` makes
what one process needs, `network.py` who may talk to whom, `shop.py` the rest of the base, and
`components.py` what may be added to it. `python -m infra.kubernetes` writes the YAML files beside
them: make changes in the Python ones. docs/kubernetes.md tells how they are applied."""
