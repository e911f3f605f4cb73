"""A quantile read out of a histogram's buckets, the way PromQL's histogram_quantile reads it."""

from collections.abc import Sequence


def quantile(q: float, bounds: Sequence[float], counts: Sequence[float]) -> float | None:
    """The `q`-quantile (0..1) of observations counted in cumulative buckets; None without any.

    `bounds` are the buckets' upper bounds in rising order, the last one infinite; `counts[i]` is
    how many observations were at most `bounds[i]`. Between two bounds observations are taken as
    evenly spread, from 0 for the first bucket; above the last finite bound nothing is known, so
    that bound is returned."""
    total = counts[-1] if counts else 0.0
    if total <= 0:
        return None
    rank = q * total
    index = next(i for i, count in enumerate(counts) if count >= rank)
    if index == len(bounds) - 1:
        return bounds[-2]
    below = counts[index - 1] if index else 0.0
    start = bounds[index - 1] if index else 0.0
    inside = counts[index] - below
    if inside <= 0:
        return start
    return start + (bounds[index] - start) * (rank - below) / inside
