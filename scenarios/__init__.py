"""Acts: a demo written down as a file, played for an audience or checked by a machine.

`script` is what a file may say, `reading` turns a file into it with line numbers for every mistake.
`progress` is the course of a performance, pure; `player` walks through it with `hands` (what an act
does to the shop) and `sight` (what it sees of it). `card` is the story in numbers at the end.
"""
