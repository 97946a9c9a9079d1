"""``sysndd-admin``: the services of the API, from a shell."""
