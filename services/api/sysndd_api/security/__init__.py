"""Access levels, credentials, passwords and rate limits; independent of routes and features."""
