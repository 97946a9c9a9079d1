"""Migration files: statements, units, directives, and what makes a file ambiguous."""
