"""The command line: arguments, and what is printed."""
