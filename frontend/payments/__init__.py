"""Payments: the list, and one payment with its decision, plan, attempts and ledger lines."""
