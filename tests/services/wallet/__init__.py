"""The wallet service over the real acquirer."""
