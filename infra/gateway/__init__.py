"""The gateway's configuration as a container runs it: rendered by `python -m infra.gateway`."""
