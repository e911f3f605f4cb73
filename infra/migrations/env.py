"""How Alembic meets the database: one transaction per migration, on a connection it is given."""

from alembic import context

# fleet.migrate opens the connection and holds the lock; there is no other way in.
context.configure(
    connection=context.config.attributes["connection"],
    transaction_per_migration=True,
    on_version_apply=context.config.attributes["on_version_apply"],
    version_table_schema="public",
)
with context.begin_transaction():
    context.run_migrations()
