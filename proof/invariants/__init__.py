"""The promises of the shop, one file a theme."""
