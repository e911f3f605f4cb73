"""Unsafe twins: the shop with one rule of the protocol taken away, to show what that costs.

A twin is this shop with a few functions replaced (`Replacement`), so the safe services hold no
unsafe branch. It runs as a small shop of its own: own database, own processes on free ports of
this machine, gone with whoever started it. Nothing of it is ever the real shop's.

Start at  `twin.py` (what a twin is), then one of `naive.py`, `retry_next_provider.py` and
          `fail_when_old.py`. `small_shop.py` starts one, `run.py` is one of its processes,
          `counting.py` says by SQL what came of it, `side_by_side.py` plays it beside ours.
Use it    `async with start("naive") as shop:` (small_shop.py), then, of any shop's database and of
          ours too, `await counts(shop.database_url)` (counting.py); or `both` and `compare`.
"""
