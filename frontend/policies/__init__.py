"""Policies: who has which, every version with its text, and a draft with what it would change."""
