"""Orders: the order form, the recent orders, and one order's whole life on one page."""
