"""Migration files: reading, splitting, directives, and the units that commit together."""
