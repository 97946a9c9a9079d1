"""Background jobs: list, poll, cancel and retry."""
