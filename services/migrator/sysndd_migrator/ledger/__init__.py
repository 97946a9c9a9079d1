"""Ledger and journal: what was applied, and how each file compares with it."""
