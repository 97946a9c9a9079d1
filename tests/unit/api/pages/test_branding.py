"""The site's logo: accepted by its content, and served so that it cannot run scripts."""

from pathlib import Path

import pytest

from sysndd_api.pages.branding import MAX_LOGO_BYTES, Branding
from sysndd_core.errors import SettingsError
from sysndd_core.settings.site import AppearanceSettings

SVG = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><path d="M0 0h9v9z"/></svg>'
PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


def load(path: Path, content: bytes) -> Branding:
    path.write_bytes(content)
    return Branding.load(AppearanceSettings(logo=path))


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (SVG, "image/svg+xml"),
        (b'<?xml version="1.0"?>\n<!-- x -->\n' + SVG, "image/svg+xml"),
        (b"\xef\xbb\xbf" + SVG, "image/svg+xml"),
        (PNG, "image/png"),
    ],
)
def test_the_type_of_a_logo_is_that_of_its_content(
    tmp_path: Path, content: bytes, media_type: str
) -> None:
    branding = load(tmp_path / "logo.gif", content)
    assert branding.has_logo
    assert branding.icon.startswith("/admin/static/site/logo?v=")
    (served,) = branding.files.files.values()
    assert (served.plain, served.media_type) == (content, media_type)
    assert served.policy.endswith("; sandbox")
    assert "script-src" not in served.policy


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"GIF89a" + bytes(20),
        b"\xff\xd8\xff\xe0",
        b"<html><script>alert(1)</script></html>",
        b"<svg><path/></svg>",
        SVG[:-3],
        SVG + b"<script>alert(1)</script>",
        b"\x1f\x8b" + bytes(20),
    ],
    ids=["empty", "gif", "jpeg", "html", "no namespace", "cut", "two roots", "svgz"],
)
def test_another_file_is_rejected(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(SettingsError, match="neither a PNG nor an SVG"):
        load(tmp_path / "logo.svg", content)


def test_a_large_or_missing_logo_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="larger than 256 KiB"):
        load(tmp_path / "logo.png", PNG + bytes(MAX_LOGO_BYTES))
    with pytest.raises(SettingsError, match="cannot be read: No such file"):
        Branding.load(AppearanceSettings(logo=tmp_path / "missing.png"))
    with pytest.raises(SettingsError, match="cannot be read"):
        Branding.load(AppearanceSettings(logo=tmp_path))


def test_without_settings_no_file_of_the_site_is_served() -> None:
    branding = Branding.load(AppearanceSettings())
    assert branding.files.files == {}
    assert branding.icon.startswith("/admin/static/icons/mark.svg?v=")
    assert branding.style_sheet is None


def test_the_address_of_the_style_sheet_changes_with_the_colour() -> None:
    addresses = {
        Branding.load(AppearanceSettings(accent=accent)).style_sheet
        for accent in ("#112233", "#112233", "#112234")
    }
    assert len(addresses) == 2
