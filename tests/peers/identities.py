"""The certificates by which the services know each other (PL-40), where they look for them."""

import os
import pathlib

from peers.certificates import Authority

SERVICES = ("spool-store", "auth-service", "gateway-dequeue", "smtp-frontend", "outbound-delivery",
            "turnpikectl")
ADDRESSES = ("127.0.0.1",)


def _replace(path, content):
    """The file changes as a whole, as it does in a mounted Secret."""
    fresh = path.with_suffix(".new")
    fresh.write_bytes(content)
    os.replace(fresh, path)


class Identities:
    """An authority and the folder of services.tls.directory, where everybody has a certificate."""

    def __init__(self, folder, trust_domain="turnpike", services=SERVICES):
        self.authority = Authority(pathlib.Path(folder) / "authority")
        self.directory = pathlib.Path(folder) / "services"
        self.trust_domain = trust_domain
        for service in services:
            self.issue(service)

    def settings(self):
        """What stands under `services.tls`."""
        return {"directory": str(self.directory), "trust_domain": self.trust_domain}

    def issue(self, service, days=30, trust_domain=None, addresses=ADDRESSES, authority=None,
              folder=None):
        """Makes (or replaces) a service's files; their folder."""
        uri = f"spiffe://{trust_domain or self.trust_domain}/{service}"
        made = (authority or self.authority).issue(service, days=days, uri=uri,
                                                   addresses=addresses)
        folder = pathlib.Path(folder or self.directory) / service
        folder.mkdir(parents=True, exist_ok=True)
        _replace(folder / "ca.crt", self.authority.file.read_bytes())
        _replace(folder / "tls.key", made.key_file.read_bytes())
        _replace(folder / "tls.crt", made.certificate_file.read_bytes())
        return folder

    def channel(self, port, folder=None, address="127.0.0.1"):
        """A gRPC channel of somebody who shows the files in `folder`; None: no certificate."""
        import grpc
        parts = {"root_certificates": self.authority.file.read_bytes()}
        if folder is not None:
            parts["private_key"] = (folder / "tls.key").read_bytes()
            parts["certificate_chain"] = (folder / "tls.crt").read_bytes()
        return grpc.secure_channel(f"{address}:{port}", grpc.ssl_channel_credentials(**parts))
