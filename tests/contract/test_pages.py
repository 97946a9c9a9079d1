"""Static files and templates: vendored files are unmodified, and nothing is inline."""

import hashlib
import json
import re
from pathlib import Path

from sysndd_api.pages.admin.mail import SUBJECTS
from sysndd_api.pages.rendering import ENVIRONMENT, SECURITY_HEADERS
from sysndd_api.pages.routes import PAGES
from sysndd_api.security.access import Access

SERVICES = Path(__file__).resolve().parents[2] / "services"
PAGES_PACKAGE = SERVICES / "api" / "sysndd_api" / "pages"
EMAILS = SERVICES / "mailer" / "sysndd_mailer" / "templates"
VENDORED = PAGES_PACKAGE / "static" / "vendored"
TEMPLATES = PAGES_PACKAGE / "templates"


def test_vendored_files_have_their_recorded_checksums() -> None:
    listed = json.loads((VENDORED / "VENDORED.json").read_text(encoding="utf-8"))
    for one in listed:
        data = (VENDORED / one["file"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == one["sha256"], one["file"]
        assert one["version"].encode() in data, "the file names another version"
    recorded = {one["file"] for one in listed}
    assert recorded == {path.name for path in VENDORED.iterdir() if path.suffix in (".js", ".css")}


def test_each_page_is_listed_once_and_below_the_two_roots() -> None:
    listed = [(page.method, page.path) for page in PAGES]
    assert len(set(listed)) == len(listed)
    for page in PAGES:
        assert page.path.startswith(("/admin", "/account"))
        if page.path.startswith("/admin") and not page.path.startswith("/admin/static/"):
            assert page.access not in {Access.ANYONE, Access.SIGNED_IN}, page.path
            own = page.path.startswith("/admin/profile")
            assert own or page.access is not Access.VIEWER or page.method == "GET", page.path


def test_the_content_security_policy_allows_nothing_inline_or_foreign() -> None:
    policy = SECURITY_HEADERS["Content-Security-Policy"]
    assert "unsafe-" not in policy
    sources = {part.split(None, 1)[0]: part.split(None, 1)[1] for part in policy.split("; ")}
    assert sources.pop("default-src") == "'none'"
    assert set(sources.values()) <= {"'self'", "'none'"}


def test_templates_contain_nothing_that_the_content_security_policy_blocks() -> None:
    for path in TEMPLATES.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"\sstyle\s*=|\son[a-z]+\s*=|<style|javascript:|\|\s*safe\b", text), (
            path
        )
        for script in re.findall(r"<script[^>]*>(.*?)</script>", text, re.DOTALL):
            assert not script.strip(), path
        assert "://" not in text.replace("http://www.w3.org/2000/svg", ""), path


def test_every_template_compiles_and_escapes() -> None:
    for name in ENVIRONMENT.list_templates():
        ENVIRONMENT.get_template(name)
    assert ENVIRONMENT.autoescape is True
    assert ENVIRONMENT.from_string("{{ x }}").render(x="<b>") == "&lt;b&gt;"


def test_the_pages_use_the_subjects_of_the_emails() -> None:
    subjects = {
        path.parent.name: path.read_text(encoding="utf-8")
        .strip()
        .replace("{{ site.name }}", "{site}")
        for path in EMAILS.glob("*/subject.txt")
    }
    assert subjects == SUBJECTS
