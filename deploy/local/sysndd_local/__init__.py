"""The whole system on one machine without containers, as run by `make up` and the tests.

For development and tests only: no service imports this package, and no image contains it.
"""
