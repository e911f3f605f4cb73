"""One way to run a shop, and what every test may lean on."""
