"""Load on a running system: `make load` and `make load-pool`."""
