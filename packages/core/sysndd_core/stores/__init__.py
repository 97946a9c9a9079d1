"""Stores that two services share."""
