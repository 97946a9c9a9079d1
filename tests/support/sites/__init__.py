"""Real sites of other projects, WordPress and MediaWiki, and traffic on them.

They are the distribution's packages. Each site is created by its own installer on a running test
server, with a database and an account of its own.
"""
