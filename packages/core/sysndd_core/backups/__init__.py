"""Backups at rest: manifests, the directory, and S3-compatible storage."""
