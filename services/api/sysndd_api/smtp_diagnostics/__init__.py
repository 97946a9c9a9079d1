"""Test of the mail server."""
