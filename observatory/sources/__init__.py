"""Where metrics, traces and logs come from: `protocols.py` says what a page may ask; the embedded
sources read the services themselves, `stack/` reads Prometheus, Jaeger and Loki."""
