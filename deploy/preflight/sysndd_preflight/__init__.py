"""Says whether a deployment may go live: one command, many checks, PASS or FAIL."""
