"""The outbox as the API sees it: putting mails in, and what administrators do with them."""
