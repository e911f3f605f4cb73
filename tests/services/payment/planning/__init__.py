"""How an amount is divided over provider accounts."""
