"""`make secrets` creates strong secrets that other accounts cannot read, and overwrites none."""

import hashlib
import os
import re
import stat
import subprocess
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def run(folder: Path, *names: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", REPOSITORY / "deploy" / "secrets.sh", *names],
        env={**os.environ, "SECRETS_DIR": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir() if path.is_file()}


def test_secrets_are_generated_once_with_private_files(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    made = run(folder)
    assert made.returncode == 0, made.stderr
    first = contents(folder)
    random = [value for value in first.values() if re.fullmatch("[A-Za-z0-9]{32}", value)]
    assert len(random) == len(set(random)) == 8
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE((folder / name).stat().st_mode) for name in first} == {0o444}
    assert not any(value and value.strip() in made.stdout + made.stderr for value in first.values())
    assert first["smtp_password"] == ""

    assert run(folder).returncode == 0
    assert contents(folder) == first


def test_rotating_a_secret_also_replaces_what_is_derived_from_it(tmp_path: Path) -> None:
    run(tmp_path)
    before = contents(tmp_path)
    assert run(tmp_path, "redis_password").returncode == 0
    after = contents(tmp_path)
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"redis_password", "redis_url", "redis_acl"}
    password = after["redis_password"]
    assert after["redis_url"] == f"redis://:{password}@redis:6379/0\n"
    assert hashlib.sha256(password.encode()).hexdigest() in after["redis_acl"]


def test_the_password_of_an_optional_account_is_generated_only_on_request(tmp_path: Path) -> None:
    run(tmp_path)
    assert contents(tmp_path)["db_password_lock"] == ""
    assert run(tmp_path, "db_password_lock").returncode == 0
    password = contents(tmp_path)["db_password_lock"]
    assert re.fullmatch("[A-Za-z0-9]{32}", password)
    run(tmp_path)
    assert contents(tmp_path)["db_password_lock"] == password


def test_a_wrong_name_changes_nothing(tmp_path: Path) -> None:
    run(tmp_path)
    before = contents(tmp_path)
    for name in ("db_root_password", "nonsense", "../x"):
        refused = run(tmp_path, "token_key", name)
        assert refused.returncode == 2
        assert "secrets:" in refused.stderr
    assert contents(tmp_path) == before
