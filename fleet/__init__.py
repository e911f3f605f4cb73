"""Which processes exist, and how they are started, stopped and migrated together."""
