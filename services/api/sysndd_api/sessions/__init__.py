"""Signing in and out, and the sessions that are open."""
