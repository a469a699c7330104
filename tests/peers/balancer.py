"""A balancer in front of a listener: haproxy (Debian's package), and PROXY headers made by hand."""

import ipaddress
import pathlib
import socket
import struct

from peers.process import Process, can_connect, free_port, wait_for

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"


def line(client, port=12345, destination=None):
    """Version 1 for a client's address."""
    family = "TCP6" if ":" in client else "TCP4"
    destination = destination or ("2001:db8::25" if family == "TCP6" else "192.0.2.25")
    return f"PROXY {family} {client} {destination} {port} 25\r\n".encode()


def block(client=None, port=12345, records=b"", command=0x21):
    """Version 2 for a client's address; none: the balancer speaks for itself (LOCAL)."""
    if client is None:
        return SIGNATURE + struct.pack("!BBH", 0x20, 0, len(records)) + records
    address = ipaddress.ip_address(client)
    other = ipaddress.ip_address("192.0.2.25" if address.version == 4 else "2001:db8::25")
    rest = address.packed + other.packed + struct.pack("!HH", port, 25) + records
    return SIGNATURE + struct.pack(
        "!BBH", command, 0x11 if address.version == 4 else 0x21, len(rest)) + rest


class Haproxy:
    """haproxy as a TCP balancer from `port` to a listener's port, which it tells who the client is:
    `send` is `send-proxy` (version 1) or `send-proxy-v2`."""

    def __init__(self, folder, target_port, send):
        folder = pathlib.Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        config = folder / "haproxy.cfg"
        config.write_text(
            "defaults\n"
            "    mode tcp\n"
            "    timeout connect 5s\n    timeout client 60s\n    timeout server 60s\n"
            "listen mail\n"
            f"    bind 127.0.0.1:{self.port}\n"
            f"    server gate 127.0.0.1:{target_port} {send}\n")
        self.process = Process(["/usr/sbin/haproxy", "-db", "-f", config], folder / "haproxy.log")

    def __enter__(self):
        wait_for(lambda: can_connect("127.0.0.1", self.port), what="haproxy listening")
        return self

    def __exit__(self, *exc_info):
        self.process.kill()


def connect(port, header, source=None):
    """A socket on which `header` has been said."""
    plain = socket.create_connection(("127.0.0.1", port), timeout=20,
                                     source_address=(source, 0) if source else None)
    plain.sendall(header)
    return plain
