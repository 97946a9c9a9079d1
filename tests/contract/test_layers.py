"""Which module may import which, read the environment, and contain SQL."""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
CORE = REPOSITORY / "packages" / "core" / "sysndd_core"
SERVICES = {
    "sysndd_api": REPOSITORY / "services" / "api",
    "sysndd_backup": REPOSITORY / "services" / "backup-worker",
    "sysndd_mailer": REPOSITORY / "services" / "mailer",
    "sysndd_migrator": REPOSITORY / "services" / "migrator",
}
# The folder that contains each importable package.
ROOTS = {
    "sysndd_core": CORE.parent,
    **SERVICES,
    "sysndd_local": REPOSITORY / "deploy" / "local",
    "sysndd_preflight": REPOSITORY / "deploy" / "preflight",
}
# The processes' entry points: the only places that read the environment.
ENTRY_POINTS = ("__main__.py", "command_line.py", "cli/main.py", "sysndd_api/asgi.py")
API = SERVICES["sysndd_api"] / "sysndd_api"
API_ROOT_MODULES = {"__init__", "__main__", "app", "asgi", "context", "routes", "settings"}
API_NOT_FEATURES = {"security", "web", "pages", "cli"}
FEATURE_FILES = {"handlers", "service", "store", "models"}
# Which files a feature has besides the four, or lacks (with a hyphen), and why.
FEATURE_EXCEPTIONS: Mapping[str, Mapping[str, str]] = {
    "accounts": {
        "mail": "queues the emails about accounts, for five features",
        "operator_store": "signs operators in; the feature operators administers them",
        "people": "finds accounts of both realms, for three features",
        "token_store": "links in emails are used by four features and have a separate table",
    },
    "backups": {
        "restore": "restore and undo; service.py would be too long with them",
        "inspections": "inspections of single tables; likewise",
        "maintenance": "checked at every request that writes, so the answer is cached for a second",
        "retention": "previews the retention policy; service.py would be too long with it",
        "uploads": "receives a file as a stream, before the backup exists",
    },
    "health": {
        "damage": "compares the application schema and caches the result, for several features",
        "drift": "runs in the background and caches its result for a minute",
        "expected_tables": "decides without SQL which record describes the current tables",
    },
    "metrics": {"-store": "reads the health report and counts in memory; no table"},
    "password_reset": {"-store": "uses the tables of accounts, tokens and sessions"},
    "request_stats": {"-handlers": "read by the overview page alone"},
    "site": {"-handlers": "a command line task: the API does not start on a schema to attach"},
    "users": {"administrators": "reset at the command line, where no account is signed in"},
}
# Which parts of the API each part may import; a part that is not named is a feature.
API_LAYERS: Mapping[str, set[str]] = {
    "settings": set(),
    "security": set(),
    "web": {"security"},
    "context": {"features", "web", "security", "settings"},
    "pages": {"features", "web", "security", "settings"},
    "cli": {"features", "web", "security", "settings", "context"},
    "routes": {"features", "web", "security"},
    "app": {"features", "web", "security", "settings", "context", "pages", "routes"},
    "asgi": {"app", "web", "settings"},
    "__main__": {"asgi", "web", "settings", "pages"},
    "features": {"features", "web", "security", "settings"},
}
# Stores contain the SQL. These modules are stores by another name, or lie below the stores.
SQL_OUTSIDE_STORES: Mapping[str, str] = {
    "sysndd_api/site/service.py": "writes GRANT statements for a person to run",
    "sysndd_core/audit.py": "adds to the audit log",
    "sysndd_core/db/blockers.py": "asks who keeps a table locked",
    "sysndd_core/db/database.py": "sets up the session of a fresh connection",
    "sysndd_core/db/schema_damage.py": "asks whether an operation is replacing a table",
    "sysndd_core/db/schema_lock.py": "the server's named lock is taken by SELECT GET_LOCK",
    "sysndd_core/db/schema_objects.py": "reads definitions from information_schema",
    "sysndd_core/db/schema_version.py": "reads the migrator's ledger",
    "sysndd_core/db/site.py": "reads the record of the site, and information_schema",
    "sysndd_core/jobs/leases.py": "the leased tables: claiming and fencing are SQL",
    "sysndd_core/jobs/liveness.py": "one query of the worker table, by a separate program",
    "sysndd_core/jobs/log.py": "the job_log table",
    "sysndd_core/jobs/outcomes.py": "finds ended jobs, for their entries in the audit log",
    "sysndd_core/jobs/rows.py": "the job table",
    "sysndd_core/jobs/worker.py": "registers in the worker table",
    "sysndd_core/mail/outbox.py": "the mail table",
    "sysndd_core/mail/transport.py": "the mail_transport table",
    "sysndd_core/settings/site_hold.py": "names the grants that an administrator has to run",
    "sysndd_mailer/links.py": "one query of the account_token table",
    "sysndd_mailer/outbox_rows.py": "the mail table as the mailer writes it",
}
_STATEMENT = re.compile(
    r"\s*(SELECT\b|INSERT\b.*\bINTO\b|REPLACE INTO\b|UPDATE (\S+ SET\b|$)|DELETE FROM\b|DO \w"
    r"|(CREATE|ALTER|DROP|TRUNCATE|LOCK|ANALYZE) (TABLES?|DATABASE|SCHEMA|VIEW|INDEX|USER)\b"
    r"|SHOW [A-Z]|SET (SESSION|GLOBAL|TRANSACTION)\b|GRANT |REVOKE |KILL |EXPLAIN |CALL )"
)
# Shared by design; the second user is the preflight.
USED_ONCE_ON_PURPOSE = {"sysndd_core.health"}


def modules(root: Path) -> list[Path]:
    return sorted(root.rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """Yield every imported name, dotted; for `from a import b` both `a` and `a.b`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("service", SERVICES)
def test_services_never_import_each_other(service: str) -> None:
    others = set(SERVICES) - {service}
    for path in modules(SERVICES[service]):
        for name in imports(path):
            assert name.partition(".")[0] not in others, path


BACKUP_LAYERS = (
    {"progress", "settings", "server"},
    {"load", "archive"},
    {"context"},
    {"dump"},
    {"verify", "importing"},
    {"restore"},
    {"jobs", "schedule"},
    {"__main__"},
)
"""Each package of the backup worker imports only packages of earlier layers, or its own modules."""


def test_the_backup_worker_is_layered() -> None:
    layer_of = {name: at for at, names in enumerate(BACKUP_LAYERS) for name in names}
    root = SERVICES["sysndd_backup"] / "sysndd_backup"
    for path in modules(root):
        own = path.relative_to(root).with_suffix("").parts[0]
        for name in imports(path):
            prefix, _, rest = name.partition(".")
            other = rest.partition(".")[0]
            if prefix == "sysndd_backup" and other != own:
                assert layer_of[other] < layer_of[own], f"{path}: {name}"


def test_core_imports_no_service() -> None:
    for path in modules(CORE):
        for name in imports(path):
            assert name.partition(".")[0] not in SERVICES, path


def test_core_holds_only_what_two_services_use() -> None:
    users: dict[str, set[str]] = {dotted(path): set() for path in modules(CORE)}
    for service, root in SERVICES.items():
        reached: set[str] = set()
        todo = [name for path in modules(root) for name in imports(path) if name in users]
        while todo:
            module = todo.pop()
            if module not in reached:
                reached.add(module)
                users[module].add(service)
                todo += [name for name in imports(location(module)) if name in users]
    lonely = {
        module
        for module, of in users.items()
        # Preflight and the docs generator read every group of settings.
        if len(of) < 2 and not module.startswith("sysndd_core.settings")
    }
    packages = {module for module in lonely if location(module).name == "__init__.py"}
    assert lonely - packages == USED_ONCE_ON_PURPOSE


def dotted(path: Path) -> str:
    root = next(root for root in ROOTS.values() if path.is_relative_to(root))
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def location(module: str) -> Path:
    path = CORE.parent.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def test_only_entry_points_read_the_environment() -> None:
    for root in (CORE, *SERVICES.values()):
        for path in modules(root):
            if path.as_posix().endswith(tuple(f"/{name}" for name in ENTRY_POINTS)):
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                named = isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv")
                assert not named, f"{path}:{getattr(node, 'lineno', 0)}"


def test_nothing_reads_the_environment_at_import() -> None:
    """Entry points read it inside a function."""
    for root in (CORE, *SERVICES.values()):
        for path in modules(root):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            for statement in tree.body:
                if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                    continue
                for node in ast.walk(statement):
                    assert not (isinstance(node, ast.Attribute) and node.attr == "environ"), path


@cache
def graph() -> dict[str, set[str]]:
    """Return the imports of each module; imports for type checkers count."""
    paths = {dotted(path): path for root in ROOTS for path in modules(ROOTS[root] / root)}
    return {
        module: {name for name in imports(path) if name in paths} - {module}
        for module, path in paths.items()
    }


def package_of(module: str) -> str:
    """Return the first-level package of a module, or the module if it is at that level."""
    return ".".join(module.split(".")[:2])


def cycles(edges: Mapping[str, Iterable[str]]) -> set[tuple[str, ...]]:
    """Return the groups of nodes that reach each other, each sorted."""

    def reached(start: str) -> set[str]:
        seen, todo = set[str](), list(edges[start])
        while todo:
            name = todo.pop()
            if name not in seen:
                seen.add(name)
                todo += edges.get(name, ())
        return seen

    reach = {name: reached(name) for name in edges}
    return {
        tuple(sorted({name} | {other for other in reach[name] if name in reach.get(other, ())}))
        for name in edges
        if name in reach[name]
    }


def test_there_is_no_import_cycle_between_modules() -> None:
    # Importing a module also runs the __init__ above it, which never imports a module here.
    edges = {
        module: {name for name in names if not module.startswith(f"{name}.")}
        for module, names in graph().items()
    }
    assert cycles(edges) == set()


def test_there_is_no_import_cycle_between_packages() -> None:
    edges: dict[str, set[str]] = {}
    for module, names in graph().items():
        package = package_of(module)
        others = {package_of(name) for name in names} - {package, package.partition(".")[0]}
        edges.setdefault(package, set()).update(others)
    assert cycles(edges) == set()


def part_of(module: str) -> str:
    """Return which part of the API a module belongs to."""
    name = module.split(".")[1]
    return name if name in API_LAYERS else "features"


def test_parts_of_the_api_import_only_what_is_below_them() -> None:
    for module, names in graph().items():
        if not module.startswith("sysndd_api."):
            continue
        part = part_of(module)
        used = {part_of(name) for name in names if name.startswith("sysndd_api.")}
        assert used - {part} <= API_LAYERS[part], module


def test_no_module_imports_a_main_module() -> None:
    for module, names in graph().items():
        assert not [name for name in names if name.endswith(".__main__")], module


def test_the_root_of_the_api_holds_only_the_modules_of_its_process() -> None:
    assert {path.stem for path in API.glob("*.py")} == API_ROOT_MODULES


def test_every_feature_has_the_four_files_or_a_listed_exception() -> None:
    features = {
        path.name for path in API.iterdir() if (path / "__init__.py").exists()
    } - API_NOT_FEATURES
    assert set(FEATURE_EXCEPTIONS) <= features
    for feature in sorted(features):
        found = {path.stem for path in (API / feature).glob("*.py")} - {"__init__"}
        exceptions = {
            *(found - FEATURE_FILES),
            *(f"-{name}" for name in FEATURE_FILES - found),
        }
        assert exceptions == set(FEATURE_EXCEPTIONS.get(feature, ())), feature


def is_store(module: str) -> bool:
    """Return whether a module, given by its last name, is a store."""
    return module == "store" or module.endswith("_store")


def statements(path: Path) -> Iterator[str]:
    """Yield the string literals that start like an SQL statement."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        first = node.values[:1] if isinstance(node, ast.JoinedStr) else [node]
        for part in first:
            text = part.value if isinstance(part, ast.Constant) else None
            if isinstance(text, str) and _STATEMENT.match(text):
                yield text


def test_only_stores_and_listed_modules_contain_sql() -> None:
    found = set()
    for package in ("sysndd_api", "sysndd_core", "sysndd_mailer"):
        for path in modules(ROOTS[package] / package):
            if not is_store(path.stem) and any(statements(path)):
                found.add(path.relative_to(ROOTS[package]).as_posix())
    assert found == set(SQL_OUTSIDE_STORES)


def test_stores_of_the_api_return_typed_rows() -> None:
    """Stores return typed rows, so that the type checker finds a renamed column."""
    for path in (path for path in modules(API) if is_store(path.stem)):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.returns:
                returned = ast.unparse(node.returns)
                assert not re.search(r"\bRow\b|dict\[str, Any\]", returned), f"{path}: {node.name}"


def test_handlers_and_pages_call_services_only() -> None:
    """Pages follow the rules of the API: no SQL, no store, no HTTP request to the API itself."""
    below = (
        "sysndd_core.db.database",
        "aiomysql",
        "pymysql",
        "httpx",
        "urllib.request",
        "http.client",
    )
    for path in (*modules(API / "pages"), *API.glob("*/handlers.py")):
        names = set(imports(path))
        assert not [
            name for name in names if name.startswith(below) or is_store(name.rpartition(".")[2])
        ], path
