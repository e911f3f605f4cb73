"""What this service needs of schema `identity`; infra/migrations/sql holds the tables."""

# What this service needs to have been migrated.
SCHEMA_REVISION = "0036"
