"""Valid and invalid certificates for temporary TLS servers."""

import datetime
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Authority:
    """A certificate authority for one test.

    Attributes:
        folder: folder for the files.
        key: private key that signs certificates.
        certificate: certificate of the authority.
    """

    folder: Path
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def ca_file(self) -> Path:
        """The certificate that a client must trust."""
        path = self.folder / "authority.pem"
        path.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))
        return path

    def server(self, name: str, *, days: int = 30) -> ssl.SSLContext:
        """Return a server's context with a certificate for ``name``.

        Arguments:
            days: until it expires; negative for one that has expired.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        return _context(self.folder, key, _certificate(name, key, days=days, signed_by=self))


def make_authority(folder: Path) -> Authority:
    """Create an authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    return Authority(folder, key, _certificate("test authority", key, days=30, signed_by=None))


def self_signed(folder: Path, name: str) -> ssl.SSLContext:
    """Return a server's context with a self-signed certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    return _context(folder, key, _certificate(name, key, days=30, signed_by=None))


def _certificate(
    name: str, key: ec.EllipticCurvePrivateKey, *, days: int, signed_by: Authority | None
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    ends = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days, hours=1)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(signed_by.certificate.subject if signed_by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(ends - datetime.timedelta(days=365))
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=name == "test authority", path_length=None), True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name.replace(" ", "-"))]), False)
    )
    return builder.sign(signed_by.key if signed_by else key, hashes.SHA256())


def _context(
    folder: Path, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate
) -> ssl.SSLContext:
    path = folder / f"{certificate.serial_number}.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context
