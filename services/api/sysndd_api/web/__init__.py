"""HTTP: parsing and replies, the guard of every route, errors, middleware, OpenAPI."""
