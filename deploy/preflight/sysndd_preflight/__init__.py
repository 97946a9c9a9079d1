"""Checks whether a deployment is ready for production."""
