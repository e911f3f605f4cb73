"""What the shop costs: throughput with telemetry off, on and by OpenTelemetry, start-up, memory.

A benchmark reports ratios from interleaved rounds on one machine; it asserts nothing.
Start reading at `__main__.py`.
"""
