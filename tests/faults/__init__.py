"""Faults against the real processes: whatever breaks, what customers were told stays true."""
