"""Acts: what a file may say, how a performance goes, and every shipped act on the real shop."""
