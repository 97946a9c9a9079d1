"""Version and certificate of a TLS connection: its names and its remaining validity."""

import ssl
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID


def unchecked_context() -> ssl.SSLContext:
    """Return a TLS context that accepts any certificate. Use it only to read the certificate."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def tls_facts(secured: ssl.SSLObject) -> dict[str, Any] | None:
    """Return TLS version, certificate names and days left, also of an unverified certificate.

    Returns:
        The values, or None if the certificate cannot be parsed. OpenSSL accepts some certificates
        that violate RFC 5280.
    """
    try:
        certificate = x509.load_der_x509_certificate(secured.getpeercert(binary_form=True) or b"")
    except ValueError:
        return None
    left = certificate.not_valid_after_utc - datetime.now(UTC)
    return {
        "version": secured.version(),
        "names": [_printable(name) for name in _names_in(certificate)[:10]],
        "days_left": left.days,
    }


def _names_in(certificate: x509.Certificate) -> list[str]:
    """Return the subject alternative names, or the common name if there are none."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        common_names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return [str(name.value) for name in common_names]
    addresses = [str(address) for address in found.get_values_for_type(x509.IPAddress)]
    return found.get_values_for_type(x509.DNSName) + addresses


def _printable(name: str) -> str:
    return "".join(character for character in name if character.isprintable())[:120]
