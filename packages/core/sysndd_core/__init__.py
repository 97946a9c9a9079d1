"""What two or more of the services share, and nothing else."""

__version__ = "0.9.0.dev0"
"""The platform's one version: of every package, every image, ``/api/health`` and OpenAPI.

``make release`` sets it; the packages' build files read it from here.
"""
