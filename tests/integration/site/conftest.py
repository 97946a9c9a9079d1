"""Provides a site of somebody else, and a way to run programs, to the tests of this folder."""

from tests.support.wiki import run, wiki

__all__ = ["run", "wiki"]
