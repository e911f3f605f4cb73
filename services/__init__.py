"""What each service does. They meet only through each other's `client` and `contract`."""
