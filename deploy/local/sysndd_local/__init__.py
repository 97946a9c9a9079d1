"""The whole system on one machine without containers: what `make up` and the tests run.

Development and tests only: no service imports this package and no image holds it.
"""
