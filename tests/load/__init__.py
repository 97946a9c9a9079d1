"""Load tests of a running system: ``make load`` and ``make load-pool``."""
