"""Acts: the list, the one that is played, the speaker's notes."""
