"""Fixtures for the acceptance tests: each test file states its configuration, the services run for
the whole file, on loopback, with real sockets."""

import pathlib
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from peers.fetchmail import Fetchmail  # noqa: E402
from peers.postfix import Postfix  # noqa: E402
from peers.turnpike import Turnpike  # noqa: E402


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """A self-signed certificate: {certificate_file, key_file}."""
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "30", "-subj", "/CN=gate.turnpike.test",
         "-addext", "subjectAltName=DNS:gate.turnpike.test,IP:127.0.0.1",
         "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True)
    return {"certificate_file": str(cert), "key_file": str(key)}


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """Starts a Turnpike: start(settings, listeners). Ended after the file's last test."""
    running = []

    def start_one(settings, listeners=None):
        turnpike = Turnpike(tmp_path_factory.mktemp("turnpike"), settings, listeners)
        running.append(turnpike)
        turnpike.start()
        return turnpike

    yield start_one
    for turnpike in running:
        turnpike.stop()


@pytest.fixture(scope="module")
def start_postfix(tmp_path_factory):
    """Starts a receiving MTA: start_postfix(domains, **settings)."""
    running = []

    def start_one(domains, **settings):
        postfix = Postfix(tmp_path_factory.mktemp("postfix"), domains, **settings)
        running.append(postfix.start())
        return postfix

    yield start_one
    for postfix in running:
        postfix.stop()


@pytest.fixture
def fetchmail(tmp_path):
    return Fetchmail(tmp_path / "fetchmail")
