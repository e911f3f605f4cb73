"""The identity service over a real database and real sockets."""
