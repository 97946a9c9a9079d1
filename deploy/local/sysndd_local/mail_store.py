"""The caught emails: one pair of files each, so that a restart of the catcher loses none."""

import email
import email.policy
import json
import os
import secrets
import string
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import getaddresses, parsedate_to_datetime
from pathlib import Path
from typing import Any

# As in Mailpit: short enough to read aloud, long enough to be unique.
ID_ALPHABET = string.ascii_letters + string.digits
ID_LENGTH = 22
SNIPPET_LENGTH = 250

Json = dict[str, Any]


@dataclass
class CaughtMail:
    """One email as it was received.

    Args:
        id: 22 letters and digits.
        received: when the server accepted it.
        sender: the envelope's MAIL FROM.
        recipients: the envelope's RCPT TO, in order.
        raw: the message, byte for byte.
        read: whether it has been fetched since the catcher started.
    """

    id: str
    received: datetime
    sender: str
    recipients: list[str]
    raw: bytes
    read: bool = False
    message: EmailMessage = field(init=False, repr=False)

    def __post_init__(self) -> None:
        parsed = email.message_from_bytes(self.raw, policy=email.policy.default)
        assert isinstance(parsed, EmailMessage)
        self.message = parsed

    @property
    def text(self) -> str:
        """The plain text, decoded; empty when there is none."""
        return self._content("plain")

    @property
    def html(self) -> str:
        """The HTML, decoded; empty when there is none."""
        return self._content("html")

    @property
    def subject(self) -> str:
        """The subject, decoded."""
        return str(self.message.get("Subject", ""))

    def summary(self) -> Json:
        """Return what Mailpit's ``GET /api/v1/messages`` returns for one message."""
        return {
            "ID": self.id,
            "MessageID": str(self.message.get("Message-ID", "")).strip().strip("<>"),
            "Read": self.read,
            **self._addresses(),
            "Subject": self.subject,
            "Created": _rfc3339(self.received),
            "Username": "",
            "Tags": [],
            "Size": len(self.raw),
            "Attachments": sum(1 for _ in self.message.iter_attachments()),
            "Snippet": " ".join(self.text.split())[:SNIPPET_LENGTH],
        }

    def details(self) -> Json:
        """Return what Mailpit's ``GET /api/v1/message/{id}`` returns."""
        return {
            "ID": self.id,
            "MessageID": str(self.message.get("Message-ID", "")).strip().strip("<>"),
            **self._addresses(),
            "ReturnPath": self.sender,
            "Subject": self.subject,
            "ListUnsubscribe": {"Header": "", "Links": [], "Errors": "", "HeaderPost": ""},
            "Date": _rfc3339(self._date()),
            "Tags": [],
            "Username": "",
            "Text": self.text,
            "HTML": self.html,
            "Size": len(self.raw),
            "Inline": [],
            "Attachments": [
                {"FileName": part.get_filename() or "", "ContentType": part.get_content_type()}
                for part in self.message.iter_attachments()
            ],
        }

    def headers(self) -> dict[str, list[str]]:
        """Return what Mailpit's ``GET /api/v1/message/{id}/headers`` returns."""
        collected: dict[str, list[str]] = {}
        for name, value in self.message.items():
            collected.setdefault(name, []).append(str(value))
        return collected

    def _content(self, subtype: str) -> str:
        part = self.message.get_body(preferencelist=(subtype,))
        if part is None:
            return ""
        try:
            return str(part.get_content())
        except (LookupError, ValueError):  # an unknown charset or encoding
            return (part.get_payload(decode=True) or b"").decode("utf-8", "replace")  # type: ignore[union-attr]

    def _addresses(self) -> Json:
        named = {
            name: [
                {"Name": display, "Address": address}
                for display, address in getaddresses(
                    [str(v) for v in self.message.get_all(name, [])]
                )
            ]
            for name in ("From", "To", "Cc", "Bcc", "Reply-To")
        }
        seen = {entry["Address"] for entries in named.values() for entry in entries}
        # As in Mailpit: a recipient that no header names received a blind copy.
        blind = [
            {"Name": "", "Address": address} for address in self.recipients if address not in seen
        ]
        return {
            "From": named["From"][0] if named["From"] else {"Name": "", "Address": self.sender},
            "To": named["To"],
            "Cc": named["Cc"],
            "Bcc": named["Bcc"] + blind,
            "ReplyTo": named["Reply-To"],
        }

    def _date(self) -> datetime:
        try:
            return parsedate_to_datetime(str(self.message["Date"]))
        except (TypeError, ValueError):
            return self.received


class MailStore:
    """The emails in one directory, at most ``keep``.

    Args:
        directory: created when missing; one ``.eml`` and one ``.json`` file per email.
        keep: number of emails to keep; the oldest are deleted first.
    """

    def __init__(self, directory: Path, *, keep: int) -> None:
        self._directory = directory
        self._keep = keep
        self._mails: dict[str, CaughtMail] = {}  # oldest first
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for leftover in directory.glob("*.partial"):
            leftover.unlink()
        self._load()

    def add(self, *, sender: str, recipients: list[str], raw: bytes) -> CaughtMail:
        """Keep an email; it is on disk when this returns."""
        mail = CaughtMail(
            id="".join(secrets.choice(ID_ALPHABET) for _ in range(ID_LENGTH)),
            received=datetime.now(UTC),
            sender=sender,
            recipients=recipients,
            raw=raw,
        )
        envelope = {
            "received": mail.received.isoformat(),
            "sender": sender,
            "recipients": recipients,
        }
        # The .json file is written last: an email without one was never acknowledged.
        self._write(f"{mail.id}.eml", raw)
        self._write(f"{mail.id}.json", json.dumps(envelope).encode())
        self._mails[mail.id] = mail
        for old in list(self._mails)[: max(0, len(self._mails) - self._keep)]:
            self._forget(old)
        return mail

    def newest_first(self) -> list[CaughtMail]:
        """Return all emails."""
        return list(reversed(self._mails.values()))

    def get(self, mail_id: str) -> CaughtMail | None:
        """Return one email, or None; ``latest`` is the newest."""
        if mail_id == "latest":
            return next(reversed(self._mails.values()), None)
        return self._mails.get(mail_id)

    def delete(self, ids: list[str]) -> None:
        """Delete the named emails; all when ``ids`` is empty. Unknown ids are ignored."""
        for mail_id in ids or list(self._mails):
            if mail_id in self._mails:
                self._forget(mail_id)

    def _load(self) -> None:
        found = []
        for envelope_file in self._directory.glob("*.json"):
            raw_file = envelope_file.with_suffix(".eml")
            if raw_file.exists():
                envelope = json.loads(envelope_file.read_text(encoding="utf-8"))
                found.append(
                    CaughtMail(
                        id=envelope_file.stem,
                        received=datetime.fromisoformat(envelope["received"]),
                        sender=envelope["sender"],
                        recipients=envelope["recipients"],
                        raw=raw_file.read_bytes(),
                    )
                )
        self._mails = {mail.id: mail for mail in sorted(found, key=lambda mail: mail.received)}

    def _write(self, name: str, content: bytes) -> None:
        partial = self._directory / f"{name}.partial"
        with partial.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        partial.rename(self._directory / name)

    def _forget(self, mail_id: str) -> None:
        del self._mails[mail_id]
        (self._directory / f"{mail_id}.json").unlink(missing_ok=True)
        (self._directory / f"{mail_id}.eml").unlink(missing_ok=True)


def _rfc3339(moment: datetime) -> str:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.isoformat(timespec="milliseconds").replace("+00:00", "Z")
