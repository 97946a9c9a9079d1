"""The administrator's test of the mail server."""
