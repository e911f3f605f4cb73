"""Acts: the list, the one that is being played, its speaker's notes."""
