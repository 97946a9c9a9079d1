"""The mailer: renders the emails of the outbox and sends them over SMTP."""
