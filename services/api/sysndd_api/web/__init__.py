"""HTTP: requests and responses, the guard of every route, errors, middleware, OpenAPI."""
