"""Loads a dump into one schema, by an account that may touch nothing else."""
