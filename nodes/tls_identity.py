"""The certificate of a router's public listener: made once, kept in the state directory, pinned by its SHA-256.

It is self-signed and names nobody: nodes trust the pin in the manifest that the network's owner has signed, and no
authority. It lasts until it is replaced, which needs a new manifest.
"""

from __future__ import annotations

import datetime
import hashlib
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from moray.errors import BadSetting
from moray.files import create_private

LIFETIME = datetime.timedelta(days=3650)
BACKDATED = datetime.timedelta(days=1)  # for clocks that are behind
CERTIFICATE = "tls.crt"
KEY = "tls.key"


@dataclass(frozen=True, slots=True)
class TlsIdentity:
    certificate: Path  # PEM
    key: Path  # PEM, not encrypted, mode 0600
    sha256: str  # of the DER certificate, hex


def ensure_tls_identity(state_dir: Path) -> TlsIdentity:
    """The certificate in ``state_dir``, made if it is absent. Raises BadSetting for one that cannot be read."""
    certificate, key = state_dir / CERTIFICATE, state_dir / KEY
    if not certificate.exists():
        key.unlink(missing_ok=True)  # of a start that was interrupted between the two
        _make(certificate, key)
    try:
        der = ssl.PEM_cert_to_DER_cert(certificate.read_text())
    except (OSError, ValueError):
        raise BadSetting(
            f"{certificate} is no certificate; delete it, then sign a new manifest for this router"
        ) from None
    return TlsIdentity(certificate, key, hashlib.sha256(der).hexdigest())


def _make(certificate: Path, key: Path) -> None:
    private_key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "moray router")])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + LIFETIME)
        .sign(private_key, hashes.SHA256())
    )
    encoding, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    create_private(key, private_key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, plain))
    create_private(certificate, signed.public_bytes(encoding))
