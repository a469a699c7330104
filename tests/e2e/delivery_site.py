"""What the tests of delivery share: real DNS (Knot), scripted hosts, a Turnpike that sends to them,
and Python's own parser for the notifications that come back."""

import email
import email.policy
import socket

import pytest

from gateways import (PASSWORD, REMOTE, atrn, call, gateway, get_delivery, list_deliveries,
                      protos, without_received)
from peers.dns import Dns
from peers.process import free_port, wait_for
from peers.smtp import Client, Server, message

ZONES = {
    "remote.test":
        "@ 60 MX 10 first\n@ 60 MX 20 second\nfirst 60 A 127.0.0.11\nsecond 60 A 127.0.0.12\n"
        "fallback 60 MX 10 first\nfallback 60 MX 20 second\n"
        "equal 60 MX 10 one.equal\nequal 60 MX 10 two.equal\n"
        "one.equal 60 A 127.0.0.13\ntwo.equal 60 A 127.0.0.14\n"
        "nomx 60 A 127.0.0.11\nrelay 60 A 127.0.0.1\n"
        "null 60 MX 0 .\n"
        "loop 60 MX 10 best\nloop 60 MX 20 gate.turnpike.test.\nloop 60 MX 30 worse\n"
        "best 60 A 127.0.0.99\nworse 60 A 127.0.0.11\n"
        "self 60 MX 10 gate.turnpike.test.\n"
        "later 60 MX 10 first\nbusy 60 MX 10 first\nfull 60 MX 10 first\ngone 60 MX 10 first\n"
        "expire 60 MX 10 first\nmany 60 MX 10 first\nother 60 MX 10 second\nslow 60 MX 10 second\n",
    "turnpike.test": "gate 60 A 127.0.0.1\n",
    "mta.test": "@ 60 MX 10 mx\nmx 60 A 127.0.0.15\n",
}


class Host(Server):
    """Can hang up on those who are connected and have nothing to say."""

    def __init__(self, respond, **more):
        self._open, self._busy = {}, set()
        super().__init__(lambda stage, text, session: self._note(stage, session)
                         or respond(stage, text, session), **more)

    def _note(self, stage, session):
        if stage in ("mail", "rcpt", "data"):
            self._busy.add(session["number"])
        else:
            self._busy.discard(session["number"])

    def serve(self, connection, number=1, peer=None):
        self._open[number] = connection
        try:
            super().serve(connection, number, peer)
        finally:
            self._open.pop(number, None)

    def hang_up(self):
        for number, connection in list(self._open.items()):
            if number not in self._busy:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass


class Hosts:
    """Scripted hosts at one port of several loopback addresses, with replaceable behaviour."""

    def __init__(self):
        self.port = free_port("127.0.0.11")
        self.behaviour = {}
        self.servers = {}
        for number in (11, 12, 13, 14, 16, 17):
            address = f"127.0.0.{number}"
            self.servers[number] = Host(self._respond(number), address=address, port=self.port,
                                        capabilities=["PIPELINING", "8BITMIME", "SIZE"])

    def _respond(self, number):
        def respond(stage, text, session):
            behave = self.behaviour.get(number)
            return behave(stage, text, session) if behave else None
        return respond

    def taken(self, number, recipient):
        return [m for m in self.servers[number].messages
                if any(f"<{recipient}>" in rcpt for rcpt in m.rcpts)]

    def stop(self):
        for server in self.servers.values():
            server.stop()


@pytest.fixture(scope="module")
def hosts():
    hosts = Hosts()
    yield hosts
    hosts.stop()


@pytest.fixture(autouse=True)
def well_behaved(hosts):
    """Also without sessions of the test before, which would go on with what this one sends."""
    hosts.behaviour.clear()
    for server in hosts.servers.values():
        server.hang_up()


@pytest.fixture(scope="module")
def dns(tmp_path_factory):
    with Dns(tmp_path_factory.mktemp("dns"), ZONES) as dns:
        yield dns


@pytest.fixture(scope="module")
def mailboxes():
    with Server(lmtp=True, capabilities=["PIPELINING", "8BITMIME", "SIZE"],
                respond=lambda stage, text, session:
                "550 5.1.1 no such mailbox" if stage == "end" and "nobody@" in text else None) as server:
        yield server


def settings(hosts, dns, mailboxes, delivery=None, **more):
    """A configuration for outbound mail; `delivery` adds to that section, `more` to the whole."""
    return {
        "hostname": "gate.turnpike.test",
        "gateways": [gateway("sender.test")],
        "local_domains": [{"domain": "office.test",
                           "mailbox_server": f"127.0.0.1:{mailboxes.port}"}],
        "trusted_networks": ["127.0.0.0/8"],
        "dns": {"servers": [dns.server], "timeout": "2s", "cache_time_min": "0s",
                "cache_time_max": "1s"},
        "delivery": {"smtp_port": hosts.port, "allow_loopback_hosts": True, "connect_timeout": "2s",
                     "command_timeout": "3s", "data_timeout": "3s", "idle_timeout": "1s",
                     **(delivery or {})},
        "retry": {"first_interval": "1s", "first_period": "1h", "interval": "1s"},
        **more,
    }


LISTENERS = {"mx": {"role": "smtp", "allow_cleartext_auth": True}, "odmr": {"role": "odmr"}}


@pytest.fixture(scope="module")
def turnpike(start, hosts, dns, mailboxes):
    return start(settings(hosts, dns, mailboxes), LISTENERS)


def send(turnpike, recipient, sender="ann@sender.test", number=1, mail="", rcpt="", content=None):
    recipients = [recipient] if isinstance(recipient, str) else recipient
    content = content or message(number)
    client = login(turnpike)
    with client:
        answer = client.mail(sender, recipients, content, mail, rcpt)
        assert answer.startswith("250 2.0.0"), answer
    return content


def attempts(turnpike, domain, count=1, timeout=20):
    """Waits until the one delivery for a domain has been tried so often; all there is about it."""
    def tried():
        found = list_deliveries(turnpike, REMOTE, domain)
        return found[0] if found and found[0].attempts >= count else None
    return get_delivery(turnpike, wait_for(tried, timeout).delivery_id)


def explain_route(turnpike, domain):
    """Where mail for a domain would go now."""
    protos()
    from protos.turnpike.delivery.v1 import delivery_pb2
    request = delivery_pb2.ExplainRouteRequest()
    request.queue.kind, request.queue.name = REMOTE, domain
    return call(turnpike, "outbound-delivery", "turnpike.delivery.v1.DeliveryService/ExplainRoute",
                request, delivery_pb2.ExplainRouteResponse)


def login(turnpike):
    client = Client(turnpike.ports["mx"])
    client.ehlo()
    assert client.auth_plain("sender.test", PASSWORD).startswith("235")
    return client


def reports(turnpike, count=1, timeout=20):
    """The DSNs that have come back to the sender's gateway."""
    collected = []

    def collect():
        reply, server = atrn(turnpike.ports["odmr"], "sender.test")
        collected.extend(without_received(m.content) if m.content.startswith(b"Received:")
                         else m.content for m in server.messages)
        assert all(m.mail.split()[1] == "FROM:<>" for m in server.messages)
        return len(collected) >= count

    wait_for(collect, timeout, interval=0.3, what=f"{count} DSN")
    return [email.message_from_bytes(content, policy=email.policy.default) for content in collected]


def status_fields(report):
    """The per-message and per-recipient fields of a DSN, read by Python's own parser."""
    assert report.get_content_type() == "multipart/report"
    assert report.get_param("report-type") == "delivery-status"
    text, status, returned = report.iter_parts()
    assert text.get_content_type() == "text/plain"
    assert status.get_content_type() == "message/delivery-status"
    return status.get_payload(), returned
