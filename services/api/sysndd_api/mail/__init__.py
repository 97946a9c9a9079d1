"""Administration of the outbox, and test emails."""
