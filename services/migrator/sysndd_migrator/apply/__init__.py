"""Applies one file, unit by unit, so that the next run can resume it after a kill at any point."""
