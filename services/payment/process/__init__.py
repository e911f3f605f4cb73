"""A merchant's request for money: planned, asked of its policy, routed, answered once.

Start at `pay.py` (the order of work), then `contexts.py` (what it is worked on with),
`paying_with.py` (what stands for a card at each account), `deciding.py` (policy and plan, no I/O)
and `opening.py` (what is committed together). `messages.py` has the messages, `cards.py` what may
be kept of a card, `answering.py` what a payment's rows say in the words of the answer.
"""
