"""Takes a dump of the application schema and checks it against the server's own inventory."""
