"""Background work: models, rows, leases, the worker loop, wake-ups, logs and outcomes."""
