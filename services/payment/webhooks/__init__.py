"""What providers tell us of their own accord, and the one effect that each of their events has.

`intake.py` believes an event that is signed, and commits it to the inbox before it is answered;
`effects.py` works it off: it asks the provider what has become of the intent and settles that
answer, together with the mark that the event is processed. `endpoints.py` sees to it that each
account sends its events here. `inbox.py` has the SQL.
"""
