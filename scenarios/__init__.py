"""Acts: a demo written down as a file, played for an audience or checked by a machine.

`model` is what a file may say; `loader` reads it, with a line number for every mistake. `progress`
is the course of a performance, pure; `player` walks through it with `executor` (what an act does to
the shop), `observer` (what it knows of the shop) and `waiter` (until a condition holds). `summary`
holds the figures at the end. `beside` does to an unsafe twin what is
done to ours. Start reading at `player`.
"""
