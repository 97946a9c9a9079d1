"""Loads a dump into a schema, with an account that has no privileges on other schemas."""
