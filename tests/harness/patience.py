"""What a busy machine is forgiven, where a test is about a deadline and not about speed."""

# A process that others keep from a core is late by so much at most; what a deadline cuts off would
# have taken many times as long.
LATE_S = 3.0
