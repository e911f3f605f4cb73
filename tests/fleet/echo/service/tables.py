"""The tables of schema `echo`."""

from sqlalchemy import BigInteger, Column, MetaData, Table, Text

SCHEMA_REVISION = "0004"

metadata = MetaData(schema="echo")

messages = Table(
    "messages", metadata, Column("id", BigInteger, primary_key=True), Column("text", Text)
)
