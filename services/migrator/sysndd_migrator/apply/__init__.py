"""Applying one file, unit by unit, so that a kill at any point can be repaired."""
