"""``sysndd-admin``: the services of the API on the command line."""
