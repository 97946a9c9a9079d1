"""The site's logo and colour, as files that the pages refer to."""

from dataclasses import dataclass
from pathlib import Path
from xml.parsers import expat

from sysndd_api.pages.colors import accent_style_sheet
from sysndd_api.pages.static_files import SiteFiles, StaticFile, asset
from sysndd_core.errors import SettingsError
from sysndd_core.settings.site import AppearanceSettings

MAX_LOGO_BYTES = 256 * 1024

_PNG = b"\x89PNG\r\n\x1a\n"
_SVG_ROOT = "http://www.w3.org/2000/svg svg"
# An SVG image opened in a tab of its own is a document of this origin: without the sandbox, its
# scripts could act for the person who opened it. Its own styles and embedded pictures may stay.
_LOGO_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; sandbox"
)
_LOGO, _STYLE_SHEET = "site/logo", "site/accent.css"


@dataclass(frozen=True)
class Branding:
    """What the pages show of the site, besides its name and links.

    Attributes:
        files: The site's own files, served below the static path.
        icon: Address of the logo or, without one, of the neutral mark.
        icon_type: Media type of the icon.
        has_logo: Whether the icon is the site's logo.
        style_sheet: Address of the style sheet of the site's colour, or None.
    """

    files: SiteFiles
    icon: str
    icon_type: str
    has_logo: bool
    style_sheet: str | None

    @classmethod
    def load(cls, settings: AppearanceSettings) -> "Branding":
        """Read the logo and compute the style sheet.

        Args:
            settings: The logo's path and the colour.

        Raises:
            SettingsError: ``SITE_LOGO`` cannot be read, is too large, or is neither PNG nor SVG.
        """
        files: dict[str, StaticFile] = {}
        logo = _logo(settings.logo) if settings.logo is not None else None
        if logo is not None:
            files[_LOGO] = logo
        if settings.accent is not None:
            sheet = accent_style_sheet(settings.accent).encode()
            files[_STYLE_SHEET] = StaticFile.of(sheet, "text/css; charset=utf-8")
        served = SiteFiles(files)
        return cls(
            files=served,
            icon=served.address(_LOGO) if logo else asset("icons/mark.svg"),
            icon_type=logo.media_type if logo else "image/svg+xml",
            has_logo=logo is not None,
            style_sheet=served.address(_STYLE_SHEET) if _STYLE_SHEET in files else None,
        )


def _logo(path: Path) -> StaticFile:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_LOGO_BYTES + 1)
    except OSError as error:
        raise SettingsError([f"SITE_LOGO={path} cannot be read: {error.strerror}"]) from error
    if len(content) > MAX_LOGO_BYTES:
        raise SettingsError(
            [f"SITE_LOGO={path} is larger than {MAX_LOGO_BYTES // 1024} KiB. Use a smaller image"]
        )
    media_type = _media_type(content)
    if media_type is None:
        raise SettingsError(
            [f"SITE_LOGO={path} is neither a PNG nor an SVG image. Convert the logo to one of them"]
        )
    return StaticFile.of(content, media_type, policy=_LOGO_POLICY)


def _media_type(content: bytes) -> str | None:
    """Return the media type by the content, because the name of a file proves nothing."""
    if content.startswith(_PNG):
        return "image/png"
    elements: list[str] = []
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = lambda name, _: elements.append(name)
    try:
        parser.Parse(content, True)
    except expat.ExpatError:
        return None
    return "image/svg+xml" if elements[0] == _SVG_ROOT else None
