"""PostgreSQL for a service: the pool and its transactions."""
