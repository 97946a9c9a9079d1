"""Code that two or more services share."""

__version__ = "0.9.0"
"""The version of the platform: of all packages and images, ``/api/health`` and OpenAPI.

``make release`` sets it, and the build files of the packages read it.
"""
