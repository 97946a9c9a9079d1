"""The mailer: composes the outbox's rows and sends them by SMTP."""
