"""One process: its faults, charts, traces and log, and how to restart it; the map's drawer."""
