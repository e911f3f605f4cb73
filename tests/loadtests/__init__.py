"""The load test tested: its arithmetic, its honesty, its report, and runs against the real shop."""
