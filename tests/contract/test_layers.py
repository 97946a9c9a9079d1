"""Who may import whom, and who may read the environment."""

import ast
from collections.abc import Iterator
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
# The processes' entry points: the only places that read the environment.
ENTRY_POINTS = {"__main__.py", "command_line.py"}
# Named in the design as shared; its second user is the preflight.
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
"""Each package of the backup worker imports only what stands before it, or its own modules."""


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
    parts = path.relative_to(CORE.parent).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def location(module: str) -> Path:
    path = CORE.parent.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def test_only_entry_points_read_the_environment() -> None:
    for root in (CORE, *SERVICES.values()):
        for path in modules(root):
            if path.name in ENTRY_POINTS:
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                named = isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv")
                assert not named, f"{path}:{getattr(node, 'lineno', 0)}"


def test_nothing_reads_the_environment_at_import() -> None:
    """Entry points do it inside a function."""
    for root in (CORE, *SERVICES.values()):
        for path in modules(root):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            for statement in tree.body:
                if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                    continue
                for node in ast.walk(statement):
                    assert not (isinstance(node, ast.Attribute) and node.attr == "environ"), path


def test_features_have_the_same_file_names() -> None:
    allowed = {"__init__", "handlers", "service", "store", "models"}
    api = SERVICES["sysndd_api"] / "sysndd_api"
    for feature in (path for path in api.iterdir() if (path / "__init__.py").exists()):
        if feature.name == "admin":
            continue  # the pages: one file of handlers for each area
        assert {path.stem for path in feature.glob("*.py")} <= allowed, feature


def test_pages_ask_services_and_nothing_below_them() -> None:
    """Whatever a page does, the API could refuse: no SQL, no store, no HTTP to ourselves."""
    below = (
        "sysndd_core.db.database",
        "aiomysql",
        "pymysql",
        "httpx",
        "urllib.request",
        "http.client",
    )
    for path in modules(SERVICES["sysndd_api"] / "sysndd_api" / "admin"):
        names = set(imports(path)) - {"sysndd_core.db.database", "sysndd_core.db.database.Row"}
        assert not [name for name in names if name.startswith(below) or name.endswith(".store")], (
            path
        )
