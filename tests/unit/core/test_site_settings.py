"""The name, contacts and appearance of the site: what is accepted, and the defaults."""

from email.utils import parseaddr

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sysndd_core.errors import SettingsError
from sysndd_core.settings.base import Settings, load
from sysndd_core.settings.site import AppearanceSettings, SiteSettings
from sysndd_core.settings.smtp import SmtpSettings


class BrandSettings(Settings):
    """The groups that this module tests."""

    site: SiteSettings
    appearance: AppearanceSettings
    smtp: SmtpSettings


def settings(**environ: str) -> BrandSettings:
    return load(BrandSettings, {"PUBLIC_URL": "https://platform.example"} | environ)


def test_without_settings_the_site_is_sysndd_and_nothing_optional_is_shown() -> None:
    found = settings()
    site = found.site
    assert (site.name, site.url, site.own_url) == ("SysNDD", "https://platform.example", None)
    assert (site.support_email, site.imprint_url, site.privacy_url) == (None, None, None)
    assert found.smtp.sender(site.name) == "SysNDD <noreply@localhost.localdomain>"
    assert found.appearance == AppearanceSettings()


def test_a_site_has_an_address_of_its_own() -> None:
    site = settings(SITE_URL="https://genes.example/atlas").site
    assert site.url == "https://genes.example/atlas"
    assert site.public_url == "https://platform.example"


@pytest.mark.parametrize(
    ("name", "shown"),
    [('Köln "Lab" <DB> & Söhne', None), ("  Gene   Atlas ", "Gene Atlas"), ("x" * 64, None)],
)
def test_a_printable_name_is_accepted(name: str, shown: str | None) -> None:
    assert settings(SITE_NAME=name).site.name == (shown or name)


@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [
        ("SITE_NAME", "x" * 65, "1 to 64"),
        ("SITE_NAME", "   ", "1 to 64"),
        ("SITE_NAME", "Atlas\r\nBcc: a@b.example", "line break"),
        ("SITE_NAME", "Atlas\n", "line break"),
        ("SITE_NAME", "Atlas\x00", "invisible"),
        ("SITE_NAME", "Atlas\u202egro.elpmaxe", "invisible"),
        ("SITE_NAME", "Atlas\u2028x", "line break"),
        ("SITE_NAME", "=?utf-8?q?Bank?=", "encoded word"),
        ("SITE_URL", "javascript:alert(1)", "https://"),
        ("SITE_URL", "genes.example", "https://"),
        ("SITE_URL", "https:///path", "names a host"),
        ("SITE_URL", "https://genes.example:port/", "not a valid URL"),
        ("IMPRINT_URL", "ftp://genes.example/", "https://"),
        ("IMPRINT_URL", "https://genes.example/a b", "not allowed"),
        ("PRIVACY_URL", 'https://genes.example/"><script>', "not allowed"),
        ("PRIVACY_URL", "https://genes.example/\r\nx", "not allowed"),
        ("PRIVACY_URL", "https://user:secret@genes.example/", "password"),
        ("SUPPORT_EMAIL", "a@b.example, c@d.example", "email address"),
        ("SUPPORT_EMAIL", "Help <a@b.example>", "email address"),
        ("SUPPORT_EMAIL", "a@b.example\r\nBcc: c@d.example", "email address"),
        ("SITE_LOGO", "https://cdn.example/logo.svg", "not a URL"),
        ("SITE_LOGO", "//cdn.example/logo.svg", "not a URL"),
        ("SITE_LOGO", "data:image/svg+xml,x", "not a URL"),
        ("SITE_ACCENT", "#fff", "#2060df"),
        ("SITE_ACCENT", "red", "#2060df"),
        ("SITE_ACCENT", "#2060df;} body{", "#2060df"),
        ("SITE_ACCENT", "#2060df\n", "#2060df"),
    ],
)
def test_a_value_that_cannot_be_shown_safely_is_rejected(
    variable: str, value: str, reason: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        settings(**{variable: value})
    assert variable in caught.value.detail
    assert reason in caught.value.detail


def test_the_support_address_is_encoded_as_a_link() -> None:
    site = settings(SUPPORT_EMAIL="a+b&c?d@genes.example").site
    assert site.support_link == "mailto:a%2Bb%26c%3Fd@genes.example"


@pytest.mark.parametrize("name", ['Gene "X", Köln', 'Köln "Lab" <DB> & Söhne', "a\\b", "x@y.z"])
def test_the_name_is_quoted_in_the_default_sender(name: str) -> None:
    sender = settings(SITE_NAME=name).smtp.sender(name)
    assert parseaddr(sender) == (name, "noreply@localhost.localdomain")


def test_a_set_sender_keeps_its_own_name() -> None:
    smtp = settings(SITE_NAME="Atlas", MAIL_FROM="Curators <c@genes.example>").smtp
    assert smtp.sender("Atlas") == "Curators <c@genes.example>"
    assert smtp.sender_address == "c@genes.example"


@given(name=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=70))
def test_every_name_is_one_line_or_rejected(name: str) -> None:
    try:
        site = settings(SITE_NAME=name).site
    except SettingsError:
        return
    assert site.name.isprintable()
    assert 1 <= len(site.name) <= 64
