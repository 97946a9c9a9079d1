"""Putting mails into the outbox."""
