"""Background jobs: poll, list, cancel."""
