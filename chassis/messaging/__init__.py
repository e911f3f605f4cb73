"""How events travel between processes: the envelope, the transports, what every consumer does."""
