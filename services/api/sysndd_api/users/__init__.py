"""Accounts as administrators see and change them."""
