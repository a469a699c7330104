"""Certificates for the services and for SMTP, in Secrets, and who shows which."""

import hashlib
import itertools
import pathlib
import socket
import ssl

from peers.certificates import Authority
from support import cluster

# Whose Secrets the values name.
OWNERS = (*cluster.SERVICES, "turnpikectl")
HOSTNAME = "gate.turnpike.example"
GRPC_PORTS = {"spool-store": 7101, "auth-service": 7102, "gateway-dequeue": 7103,
              "smtp-frontend": 7104, "outbound-delivery": 7105}
_folders = itertools.count(1)


def fingerprint(certificate):
    """The SHA-256 of a certificate in a PEM file."""
    first = pathlib.Path(certificate.certificate_file).read_text().partition("-----END")[0]
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(
        f"{first}-----END CERTIFICATE-----\n")).hexdigest()


class Identities:
    """An authority of our own, and what it has issued last: {owner: Certificate}."""

    def __init__(self, folder):
        self.authority = Authority(pathlib.Path(folder) / f"authority{next(_folders)}")
        self.issued = {}

    def issue_for_services(self):
        """New certificates for all services, in place of those before."""
        for owner in OWNERS:
            host = f"{cluster.RELEASE}-{owner}"
            within = f"{host}.{cluster.NAMESPACE}.svc"
            self._issue(owner, f"{owner}-identity", host, within, f"*.{within}",
                        uri=f"spiffe://turnpike/{owner}")

    def issue_for_smtp(self):
        self._issue("smtp", "smtp-certificate", HOSTNAME)

    def _issue(self, owner, name, *names, uri=None):
        made = self.issued[owner] = self.authority.issue(*names, uri=uri)
        cluster.secret(name, {
            "tls.crt": pathlib.Path(made.certificate_file).read_text(),
            "tls.key": pathlib.Path(made.key_file).read_text(),
            "ca.crt": self.authority.file.read_text()})

    def is_served_by(self, service):
        """Whether every pod of a service shows the certificate that was issued last."""
        wanted = fingerprint(self.issued[service])
        return all(shown(pod["status"]["podIP"], GRPC_PORTS[service]) == wanted
                   for pod in cluster.ready(service))


def shown(address, port):
    """The fingerprint of the certificate that a server shows a client which has none itself."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    with socket.create_connection((address, port), timeout=10) as connection:
        with context.wrap_socket(connection) as secured:
            return hashlib.sha256(secured.getpeercert(binary_form=True)).hexdigest()


def is_refused(address, port):
    """Whether a server ends a connection without a client's certificate, or with plain text, before
    it has said anything that is not TLS's own."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    for secured in (False, True):
        with socket.create_connection((address, port), timeout=10) as connection:
            try:
                stream = context.wrap_socket(connection) if secured else connection
                stream.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0")
                stream.settimeout(10)
                if _speaks_http2(stream):
                    return False
            except (ssl.SSLError, ConnectionError):
                pass
    return True


def _speaks_http2(stream):
    """Whether what comes looks like the SETTINGS that begin HTTP/2 [RFC9113 3.4]."""
    return stream.recv(9)[3:4] == b"\4"
