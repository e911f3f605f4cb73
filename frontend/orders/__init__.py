"""One order's whole life on one page."""
