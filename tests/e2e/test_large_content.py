"""Large messages pass through in small parts: a peer that stops reading costs no memory."""

import threading

import pytest

from gateways import REMOTE, atrn, gateway, list_deliveries, login, without_received
from peers.dns import Dns
from peers.process import free_port, wait_for
from peers.smtp import Client, Server, message

MIB = 1 << 20
SIZE = 40 * MIB
# What a session may hold of a message: a piece or two, and what is in gRPC's window.
GROWTH_MAX = 10 * MIB


def memory(turnpike, service):
    """Octets of memory that a service has in use (VmRSS)."""
    with open(f"/proc/{turnpike.processes[service].pid}/status") as status:
        for line in status:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    raise RuntimeError("no VmRSS")


def settled_growth(turnpike, service, before):
    """How much a service has grown once it grows no more."""
    sizes = []

    def settled():
        sizes.append(memory(turnpike, service))
        return len(sizes) >= 5 and len(set(sizes[-5:])) == 1

    wait_for(settled, timeout=20, interval=0.2, what="memory that stays as it is")
    return max(sizes) - before


def restart(turnpike, service):
    """Without the memory that an earlier message may have left behind for the next one."""
    turnpike.processes[service].terminate()
    turnpike.restart(service)


@pytest.fixture(scope="module")
def dns(tmp_path_factory):
    zones = {"slow.test": "@ 60 MX 10 mx\nmx 60 A 127.0.0.21\n"
                          "other 60 MX 10 mx.other\nmx.other 60 A 127.0.0.22\n"}
    with Dns(tmp_path_factory.mktemp("dns"), zones) as dns:
        yield dns


@pytest.fixture(scope="module")
def port():
    return free_port("127.0.0.21")


@pytest.fixture(scope="module")
def turnpike(start, dns, port):
    return start({"hostname": "gate.turnpike.test",
                  "gateways": [gateway("customer.test")],
                  "trusted_networks": ["127.0.0.0/8"],
                  "smtp": {"message_bytes_max": "64MiB"},
                  "dns": {"servers": [dns.server]},
                  "delivery": {"smtp_port": port, "allow_loopback_hosts": True}},
                 {"mx": {"role": "smtp"}, "odmr": {"role": "odmr"}})


def test_dq_35_a_peer_that_stops_reading_makes_the_frontend_hold_little(turnpike):
    content = message(1, SIZE)
    with Client(turnpike.ports["mx"], timeout=60) as client:
        client.ehlo()
        assert client.mail("ann@sender.test", ["bob@customer.test"], content).startswith("250")
    restart(turnpike, "smtp-frontend")
    peer = login(turnpike.ports["odmr"], "customer.test")
    assert peer.ask("ATRN").startswith("250")
    before = memory(turnpike, "smtp-frontend")
    peer.send("220 slow.test")
    assert peer.line().startswith("EHLO")
    for verb in ("MAIL", "RCPT", "DATA"):
        peer.send("250 ok")
        assert peer.line().startswith(verb)
    peer.send("354 go, but I do not read")
    assert settled_growth(turnpike, "smtp-frontend", before) < GROWTH_MAX
    lines = []
    while True:
        line = peer.file.readline()
        assert line, "the connection was lost"
        if line == b".\r\n":
            break
        lines.append(line)
    assert without_received(b"".join(lines)) == content
    peer.send("250 taken")
    assert peer.line() == "QUIT"
    peer.send("221 bye")
    peer.close()
    # Nothing is left, and nothing comes a second time.
    wait_for(lambda: atrn(turnpike.ports["odmr"], "customer.test")[0].startswith("453"))


class SlowServer(Server):
    """Says 354, and reads nothing before `reading` is set."""

    def __init__(self, **options):
        self.reading = threading.Event()
        super().__init__(**options)

    def _content(self, file):
        assert self.reading.wait(120)
        return Server._content(file)


def test_dl_40_a_host_that_stops_reading_makes_delivery_hold_little(turnpike, port):
    content = message(2, SIZE)
    restart(turnpike, "outbound-delivery")
    before = memory(turnpike, "outbound-delivery")
    with SlowServer(address="127.0.0.21", port=port, capabilities=["8BITMIME"]) as slow, \
            Server(address="127.0.0.22", port=port, capabilities=["8BITMIME"]) as other:
        with Client(turnpike.ports["mx"], timeout=60) as client:
            client.ehlo()
            for recipient in ("bob@slow.test", "dan@slow.test", "cat@other.slow.test"):
                assert client.mail("ann@sender.test", [recipient], content).startswith("250")
        # More than there would have been room for at one time.
        wait_for(lambda: other.messages, timeout=60, what="mail for a host that reads")
        assert settled_growth(turnpike, "outbound-delivery", before) < GROWTH_MAX
        slow.reading.set()
        wait_for(lambda: len(slow.messages) == 2, timeout=120, what="mail for the slow host")
        assert all(without_received(m.content) == content for m in [*slow.messages, *other.messages])
        wait_for(lambda: not list_deliveries(turnpike, REMOTE, "slow.test"))
