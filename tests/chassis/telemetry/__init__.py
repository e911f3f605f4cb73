"""Recording, sampling and sending, and the collectors that the tests send to."""
