"""Charts: how long requests took, how many failed, and the metrics that programs sent."""
