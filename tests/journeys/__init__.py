"""Orders through the whole shop: three services, real sockets, one real database."""
