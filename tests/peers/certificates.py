"""Certificates of all kinds, made by the openssl command."""

import hashlib
import pathlib
import ssl
import subprocess


def _openssl(*argv):
    return subprocess.run(["openssl", *map(str, argv)], check=True, capture_output=True).stdout


class Certificate:
    """A certificate with its key; the chain that leads to its authority is in the same file."""

    def __init__(self, certificate_file, key_file):
        self.certificate_file, self.key_file = certificate_file, key_file

    def server_context(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate_file, self.key_file)
        return context

    def tlsa(self, usage=3, selector=1, matching_type=1):
        """The data of a TLSA record, in zone file form. [RFC6698 2.1]"""
        data = (_openssl("x509", "-in", self.certificate_file, "-outform", "DER") if selector == 0
                else subprocess.run(
                    ["openssl", "pkey", "-pubin", "-outform", "DER"], check=True,
                    capture_output=True,
                    input=_openssl("x509", "-in", self.certificate_file, "-noout", "-pubkey")).stdout)
        digest = {0: data, 1: hashlib.sha256(data).digest(), 2: hashlib.sha512(data).digest()}
        return f"{usage} {selector} {matching_type} {digest[matching_type].hex()}"


class Authority:
    """A certificate authority of the test."""

    def __init__(self, folder, name="Test Authority"):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.file = self.folder / "authority.pem"
        self._key = self.folder / "authority.key"
        self._count = 0
        _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                 "-days", 30, "-subj", f"/CN={name}", "-keyout", self._key, "-out", self.file)
        self.certificate = Certificate(self.file, self._key)

    def issue(self, *names, days=30, mailbox=None, uri=None, addresses=()):
        """A certificate for DNS names (or a mailbox, a URI, IP addresses); negative `days`: one that
        has expired."""
        self._count += 1
        base = self.folder / f"{self._count}"
        key, request, extensions = (base.with_suffix(s) for s in (".key", ".csr", ".ext"))
        leaf, chain = base.with_suffix(".leaf"), base.with_suffix(".pem")
        alternatives = [f"DNS:{name}" for name in names] + ([f"email:{mailbox}"] if mailbox else [])
        alternatives += [f"URI:{uri}"] if uri else []
        alternatives += [f"IP:{address}" for address in addresses]
        extensions.write_text("subjectAltName=" + ",".join(alternatives) + "\n")
        _openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                 f"/CN={(names or (mailbox,))[0]}", "-keyout", key, "-out", request)
        _openssl("x509", "-req", "-in", request, "-CA", self.file, "-CAkey", self._key,
                 "-set_serial", self._count, "-days", days, "-extfile", extensions, "-out", leaf)
        chain.write_bytes(leaf.read_bytes() + self.file.read_bytes())
        return Certificate(chain, key)
