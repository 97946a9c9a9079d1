"""Access levels, credentials, passwords and rate limits; knows neither routes nor features."""
