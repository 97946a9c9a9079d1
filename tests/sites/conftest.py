"""Provides the sites to the tests of this folder."""

from tests.support.sites.fixtures import mediawiki, site_packages, sysndd, wordpress

__all__ = ["mediawiki", "site_packages", "sysndd", "wordpress"]
