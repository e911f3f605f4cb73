"""Providers: what each account charges and has taken today, its breaker, its answers, its mode."""
