"""Put a fitted student into production: one file, without its teachers."""
