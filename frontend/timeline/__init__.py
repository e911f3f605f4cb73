"""The timeline: incidents in sentences with numbers."""
