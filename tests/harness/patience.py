"""What a busy machine is forgiven, where a test is about a deadline and not about speed."""

# A process that others keep from a core is late by so much at most; what a deadline cuts off would
# have taken many times as long.
LATE_S = 3.0

# What comes about by itself (a process starts, a queue is drained) has come about after this time
# even where ten others want the same core; who waits for it goes on as soon as it has.
ARRIVES_S = 120.0
