"""Wallets: what users have, what they had at any instant, and the forms that move it."""
