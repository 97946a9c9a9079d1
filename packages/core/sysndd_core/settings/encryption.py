"""age recipients and identities of encrypted backups."""

import re
from typing import Any

import pyrage
from pydantic import Field, SecretStr, field_validator

from sysndd_core.settings.base import SettingsGroup


class EncryptionSettings(SettingsGroup):
    """The recipients that backups are encrypted for, and the identity that decrypts them."""

    recipients: str | None = Field(
        None,
        alias="BACKUP_ENCRYPTION_RECIPIENTS",
        description="age recipients (`age1…` or `ssh-ed25519 …`), separated by commas or line"
        " breaks. If empty, backups are not encrypted.",
    )
    identity: SecretStr | None = Field(
        None,
        alias="BACKUP_ENCRYPTION_IDENTITY",
        description="age identity (`AGE-SECRET-KEY-1…`, one per line) that decrypts backups for"
        " verification and restore.",
    )

    @field_validator("recipients")
    @classmethod
    def _check_recipients(cls, value: str | None) -> str | None:
        for text in split_recipients(value):
            parse_recipient(text)
        return value

    @field_validator("identity")
    @classmethod
    def _check_identity(cls, value: SecretStr | None) -> SecretStr | None:
        for text in split_identities(value):
            parse_identity(text)
        return value


def split_recipients(text: str | None) -> list[str]:
    """Split a setting at commas and line breaks; return the recipients."""
    return [part.strip() for part in re.split(r"[,\n]", text or "") if part.strip()]


def parse_recipient(text: str) -> Any:
    """Return the recipient as an object of the library.

    Raises:
        ValueError: The text is neither an age nor an SSH recipient.
    """
    kind = pyrage.ssh if text.startswith("ssh-") else pyrage.x25519
    try:
        return kind.Recipient.from_str(text)
    except pyrage.RecipientError as error:
        raise ValueError(f"{text[:20]}… is not an age recipient: {error}") from error


def split_identities(value: SecretStr | None) -> list[str]:
    """Split a setting into identities: one per line, or one SSH key of several lines."""
    text = value.get_secret_value() if value is not None else ""
    if text.startswith("-----BEGIN"):
        return [text]
    return [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]


def parse_identity(text: str) -> Any:
    """Return the identity as an object of the library.

    Raises:
        ValueError: The text is neither an age nor an SSH identity.
    """
    try:
        if text.startswith("-----BEGIN"):
            return pyrage.ssh.Identity.from_buffer(text.encode())
        return pyrage.x25519.Identity.from_str(text)
    except pyrage.IdentityError as error:
        # The text is left out, because it is a secret.
        raise ValueError(f"not an age identity: {error}") from error
