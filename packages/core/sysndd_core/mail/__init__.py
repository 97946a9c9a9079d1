"""Email: the outbox, the state of the transport, the SMTP probe, and link tokens."""
