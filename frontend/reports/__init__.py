"""Reports on times that are over, and contracts that are broken now."""
