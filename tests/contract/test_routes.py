"""The list of routes: access, uniqueness, and the OpenAPI document."""

import json
import re

from sysndd_api.routes import ENDPOINTS
from sysndd_api.security.access import Access
from sysndd_api.web.openapi import openapi_document

OPERATORS = {Access.VIEWER, Access.MAINTAINER, Access.ADMINISTRATOR}


def test_every_route_below_admin_requires_an_operator() -> None:
    for endpoint in ENDPOINTS:
        below_admin = endpoint.path.startswith("/api/admin/")
        assert below_admin == (endpoint.access in OPERATORS), endpoint.path


def test_a_viewer_changes_nothing() -> None:
    for endpoint in ENDPOINTS:
        if endpoint.access is Access.VIEWER:
            assert endpoint.method == "GET", endpoint.path


def test_each_address_and_method_is_listed_once() -> None:
    listed = [(endpoint.method, endpoint.path) for endpoint in ENDPOINTS]
    assert len(set(listed)) == len(listed)


def test_openapi_document_is_complete_and_its_references_resolve() -> None:
    document = openapi_document(ENDPOINTS, "Gene Atlas")
    operations = [
        (method.upper(), path) for path, item in document["paths"].items() for method in item
    ]
    assert len(operations) == len(ENDPOINTS)
    schemas = document["components"]["schemas"]
    for name in re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)):
        assert name in schemas
    ids = [op["operationId"] for item in document["paths"].values() for op in item.values()]
    assert len(set(ids)) == len(ids)
