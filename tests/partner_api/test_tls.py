"""TLS to the partner: loaded trust, verified names, no version before 1.2."""

import datetime as dt
import ipaddress
import socket
import ssl
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.integration import Answer, Bearer, Json, Outcome, PartnerCall, Retry
from mparticle_firehose.partner_api.client import PartnerClient
from tests.partner_api.doubles import Bench

CALL = PartnerCall(path="/forget", auth=Bearer("canary-secret-key"), body=Json({}))


class Accepting(BaseHTTPRequestHandler):
    """Accepts every call, and closes the connection."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(202)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def certificate(folder: Path, address: str) -> Path:
    """Return a file with a new key and a certificate for it that is its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "partner")])
    now = dt.datetime.now(dt.UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = folder / f"{address}.pem"
    file.write_bytes(private + signed.public_bytes(serialization.Encoding.PEM))
    return file


def limited(side: int, newest: ssl.TLSVersion) -> ssl.SSLContext:
    """Return what speaks TLS up to this version, however old it is."""
    context = ssl.SSLContext(side)
    context.set_ciphers("ALL:@SECLEVEL=0")  # OpenSSL's default level allows nothing before TLS 1.2
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.maximum_version = newest
    return context


@contextmanager
def partner_with(file: Path, newest: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED) -> Iterator[str]:
    context = limited(ssl.PROTOCOL_TLS_SERVER, newest)
    context.load_cert_chain(file)
    with HTTPServer(("127.0.0.1", 0), Accepting) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.02,)).start()
        yield f"https://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def version_with(url: str) -> str | None:
    """Return the version that a client gets that takes any."""
    context = limited(ssl.PROTOCOL_TLS_CLIENT, ssl.TLSVersion.MAXIMUM_SUPPORTED)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    parts = urlsplit(url)
    with (
        socket.create_connection((parts.hostname, parts.port)) as connected,
        context.wrap_socket(connected) as connection,
    ):
        return connection.version()


def ask(client: PartnerClient) -> Answer | Outcome:
    return client.ask(CALL, Deadline.after(5.0), identity="k1", correlation_id="r1")


def test_certificates_are_loaded_once_and_not_by_each_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trusted = certificate(tmp_path, "127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    with partner_with(trusted) as url:
        client = Bench(url).client
        client.prepare()
        trusted.unlink()

        assert isinstance(ask(client), Answer)
        assert isinstance(ask(client), Answer)


def test_a_certificate_of_nobody_we_trust_is_a_retry(tmp_path: Path) -> None:
    with partner_with(certificate(tmp_path, "127.0.0.1")) as url:
        assert ask(Bench(url).client) == Retry("tls")


def test_a_certificate_for_another_name_is_a_retry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trusted = certificate(tmp_path, "127.0.0.2")
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    with partner_with(trusted) as url:
        assert ask(Bench(url).client) == Retry("tls")


def test_a_partner_that_speaks_nothing_newer_than_tls_1_1_is_a_retry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trusted = certificate(tmp_path, "127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    with partner_with(trusted, newest=ssl.TLSVersion.TLSv1_1) as url:
        assert ask(Bench(url).client) == Retry("tls")
        assert version_with(url) == "TLSv1.1"  # which a client could have had
    with partner_with(trusted, newest=ssl.TLSVersion.TLSv1_2) as url:
        assert isinstance(ask(Bench(url).client), Answer)


def test_a_partner_that_hangs_with_tls_costs_no_more_than_the_deadline_and_no_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trusted = certificate(tmp_path, "127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    monkeypatch.setattr("mparticle_firehose.partner_api.client.LATE_SECONDS", 0)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(trusted)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip() -> None:
            with context.wrap_socket(listener.accept()[0], server_side=True) as connection, suppress(OSError):
                connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
                while True:
                    connection.sendall(b"x")
                    time.sleep(0.02)

        thread = threading.Thread(target=drip)
        thread.start()
        client = Bench(f"https://127.0.0.1:{listener.getsockname()[1]}").client

        assert client.ask(CALL, Deadline.after(0.5), identity="i", correlation_id="r") == Retry("read_timeout")
        thread.join()  # only if the connection is shut down
