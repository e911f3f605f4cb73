"""What a visitor does, in a real browser at the real shop."""
