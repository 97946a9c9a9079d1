"""``/api/openapi.json``, generated from the list of routes and their models."""

import re
from functools import cache
from typing import Any

from pydantic.json_schema import models_json_schema
from starlette.requests import Request
from starlette.responses import Response

from sysndd_api.security.access import Access
from sysndd_api.security.credentials import SESSION_COOKIE
from sysndd_api.web.endpoint import Endpoint, endpoints_of
from sysndd_api.web.http import reply, service
from sysndd_core import __version__
from sysndd_core.settings.site import SiteSettings

_PROBLEM = {
    "description": "A problem document (RFC 9457) with a stable `code`; see docs/errors.md.",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
_PROBLEM_SCHEMA = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "request_id": {"type": ["string", "null"]},
    },
}


async def document(request: Request) -> Response:
    """Return the OpenAPI 3.1 document."""
    return reply(openapi_document(endpoints_of(request), site_name_of(request)))


def site_name_of(request: Request) -> str:
    """Return the name of the site, for the title of the document."""
    return service(request, SiteSettings).name


@cache
def openapi_document(endpoints: tuple[Endpoint, ...], site_name: str) -> dict[str, Any]:
    """Build the document.

    Args:
        endpoints: The list of routes.
        site_name: ``SITE_NAME``, the start of the title.

    Returns:
        An OpenAPI 3.1 document.
    """
    models = {model for one in endpoints for model in (one.answer, one.body, one.query) if model}
    _, schemas = models_json_schema(
        [(model, "validation") for model in sorted(models, key=lambda model: model.__name__)],
        ref_template="#/components/schemas/{model}",
    )
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        path = re.sub(r"\{(\w+):\w+\}", r"{\1}", endpoint.path)
        paths.setdefault(path, {})[endpoint.method.lower()] = _operation(endpoint, path)
    return {
        "openapi": "3.1.0",
        "info": {"title": f"{site_name} API", "version": __version__},
        "paths": paths,
        "components": {
            "schemas": {**schemas.get("$defs", {}), "Problem": _PROBLEM_SCHEMA},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "cookie": {"type": "apiKey", "in": "cookie", "name": SESSION_COOKIE},
            },
        },
    }


def _operation(endpoint: Endpoint, path: str) -> dict[str, Any]:
    summary = (endpoint.handler.__doc__ or "").strip().partition("\n")[0]
    operation: dict[str, Any] = {
        "operationId": f"{endpoint.method.lower()}{re.sub(r'[^a-zA-Z]+', '_', path).rstrip('_')}",
        "summary": summary,
        "responses": {str(endpoint.status): _answer(endpoint), "default": _PROBLEM},
    }
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"\{(\w+)\}", path)
    ]
    if endpoint.query is not None:
        properties = endpoint.query.model_json_schema()["properties"]
        parameters += [
            {"name": name, "in": "query", "required": False, "schema": schema}
            for name, schema in properties.items()
        ]
    if parameters:
        operation["parameters"] = parameters
    if endpoint.body is not None:
        operation["requestBody"] = {"required": True, "content": _json(endpoint.body.__name__)}
    if endpoint.access is not Access.ANYONE:
        operation["security"] = [{"bearer": []}, {"cookie": []}]
        operation["description"] = f"Access: {endpoint.access.value}."
    return operation


def _answer(endpoint: Endpoint) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": "Success."}
    if endpoint.answer is not None:
        answer["content"] = _json(re.sub(r"\W", "_", endpoint.answer.__name__))
    return answer


def _json(model: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{model}"}}}
