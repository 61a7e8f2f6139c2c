"""Lane graphs from and to OpenDRIVE, routes on them, and what is wrong with them."""
