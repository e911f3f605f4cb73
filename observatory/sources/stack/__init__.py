"""The dashboard's numbers, traces and logs, read from Prometheus, Jaeger and Loki."""
