"""The backup worker: dumps, restores and their manifests."""
