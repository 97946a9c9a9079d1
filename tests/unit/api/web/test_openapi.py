"""How one endpoint is described in the OpenAPI document."""

from typing import Any

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from sysndd_api.security.access import Access
from sysndd_api.security.credentials import SESSION_COOKIE
from sysndd_api.web.endpoint import Endpoint
from sysndd_api.web.models import Page, PageQuery, RequestModel
from sysndd_api.web.openapi import openapi_document


class Rename(RequestModel):
    """A body."""

    name: str


class Thing(BaseModel):
    """An answer."""

    name: str


async def rename_thing(_request: Request) -> Response:
    """Rename a thing.

    The rest of the docstring is for programmers.
    """
    return Response()


def operation(**changes: Any) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Return the path, the operation and the document of one endpoint."""
    values: dict[str, Any] = {
        "method": "POST",
        "path": "/api/things/{name}",
        "handler": rename_thing,
        "access": Access.ANYONE,
        "answer": Thing,
    } | changes
    document = openapi_document((Endpoint(**values),), "Gene Atlas")
    ((path, item),) = document["paths"].items()
    (described,) = item.values()
    return path, described, document


def test_the_summary_is_the_first_line_of_the_docstring() -> None:
    _, described, _ = operation()
    assert described["summary"] == "Rename a thing."


def test_a_path_has_parameters_and_no_converters() -> None:
    path, described, _ = operation(path="/api/things/{name:path}/parts/{part}")
    assert path == "/api/things/{name}/parts/{part}"
    assert [(one["name"], one["in"], one["required"]) for one in described["parameters"]] == [
        ("name", "path", True),
        ("part", "path", True),
    ]


def test_a_query_is_described_parameter_by_parameter() -> None:
    _, described, _ = operation(path="/api/things", method="GET", query=PageQuery)
    parameters = {one["name"]: one for one in described["parameters"]}
    assert parameters.keys() == {"page", "page_size"}
    assert all(one["in"] == "query" and not one["required"] for one in parameters.values())
    assert parameters["page_size"]["schema"]["maximum"] == 500


def test_an_open_endpoint_requires_no_credentials() -> None:
    _, described, _ = operation(access=Access.ANYONE)
    assert "security" not in described


def test_a_protected_endpoint_takes_either_credential() -> None:
    _, described, document = operation(access=Access.ADMINISTRATOR)
    assert described["security"] == [{"bearer": []}, {"cookie": []}]
    schemes = document["components"]["securitySchemes"]
    assert schemes["bearer"] == {"type": "http", "scheme": "bearer"}
    assert schemes["cookie"] == {"type": "apiKey", "in": "cookie", "name": SESSION_COOKIE}


def test_success_and_failure_are_both_described() -> None:
    _, described, document = operation(status=202)
    assert described["responses"].keys() == {"202", "default"}
    problem = described["responses"]["default"]["content"]["application/problem+json"]
    assert problem["schema"] == {"$ref": "#/components/schemas/Problem"}
    assert "code" in document["components"]["schemas"]["Problem"]["required"]


def test_an_answer_without_a_document_has_no_content() -> None:
    _, described, _ = operation(answer=None, status=204)
    assert "content" not in described["responses"]["204"]


def test_a_body_refers_to_a_schema_that_rejects_unknown_members() -> None:
    _, described, document = operation(body=Rename)
    content = described["requestBody"]["content"]["application/json"]
    assert content["schema"] == {"$ref": "#/components/schemas/Rename"}
    assert document["components"]["schemas"]["Rename"]["additionalProperties"] is False


def test_the_name_of_a_generic_model_is_a_valid_component_name() -> None:
    """OpenAPI 3.1, section 4.8.7: letters, digits, dot, hyphen and underscore."""
    _, described, document = operation(answer=Page[Thing])
    reference = described["responses"]["200"]["content"]["application/json"]["schema"]["$ref"]
    name = reference.removeprefix("#/components/schemas/")
    assert name in document["components"]["schemas"]
    assert name.replace("_", "").isalnum()
