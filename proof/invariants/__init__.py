"""The promises of the shop, one file per theme."""
