"""PL-6: limits for each client address and in all; what idle and slow clients cost."""

import contextlib
import pathlib
import resource
import socket
import time

import pytest

from gateways import PASSWORD, gateway
from peers import balancer
from peers.process import wait_for
from peers.smtp import Client, message

BALANCER = "127.0.0.7"
PER_ADDRESS, IN_ALL = 3, 12


class Behind(Client):
    """A client whose address a balancer tells: loopback itself has no rate limits."""

    def __init__(self, port, client):
        self.socket = balancer.connect(port, balancer.line(client), BALANCER)
        self.file = self.socket.makefile("rb")
        self.greeting = self.reply()


@pytest.fixture(scope="module")
def turnpike(start):
    return start(
        {
            "gateways": [gateway("customer.test")],
            "trusted_networks": ["198.51.100.64/28"],
            "smtp": {"connections_max": IN_ALL, "connections_per_address_max": PER_ADDRESS,
                     "connections_per_address_per_minute_max": 10,
                     "unauthenticated_recipients_per_address_per_hour_max": 5,
                     "idle_timeout": "3s"},
        },
        {"mx": {"role": "smtp"},
         "behind": {"role": "smtp", "proxy_protocol_from": [BALANCER],
                    "allow_cleartext_auth": True}})


@pytest.fixture(autouse=True)
def all_gone(turnpike):
    """Each test begins with no connection open."""
    wait_for(lambda: turnpike.metric("smtp-frontend", "turnpike_smtp_connections") == 0)


def refused(turnpike, reason, listener="mx"):
    return turnpike.metric("smtp-frontend", "turnpike_smtp_connections_refused_total",
                           listener=listener, reason=reason)


def test_pl_06_one_address_has_so_many_connections_and_others_theirs(turnpike):
    before = refused(turnpike, "address_limit")
    with contextlib.ExitStack() as stack:
        for _ in range(PER_ADDRESS):
            client = stack.enter_context(Client(turnpike.ports["mx"], source="127.0.0.21"))
            assert client.greeting.startswith("220")
        with Client(turnpike.ports["mx"], source="127.0.0.21") as client:
            assert client.greeting.startswith("421 4.7.0") and client.closed()
        with Client(turnpike.ports["mx"], source="127.0.0.22") as client:
            assert client.greeting.startswith("220")
    assert refused(turnpike, "address_limit") == before + 1
    wait_for(lambda: turnpike.metric("smtp-frontend", "turnpike_smtp_connections") == 0)
    with Client(turnpike.ports["mx"], source="127.0.0.21") as client:
        assert client.greeting.startswith("220"), "those that have ended make room"


def test_pl_06_all_together_have_so_many_connections(turnpike):
    before = refused(turnpike, "limit")
    assert turnpike.metric("smtp-frontend", "turnpike_smtp_connections_limit",
                           listener="mx") == IN_ALL
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Client(turnpike.ports["mx"], source=f"127.0.0.{31 + i // 3}"))
                   for i in range(IN_ALL)]
        with Client(turnpike.ports["mx"], source="127.0.0.99") as client:
            assert client.greeting.startswith("421 4.7.0")
        for client in clients:  # those that are there are served
            assert client.ask("NOOP").startswith("250")
    assert refused(turnpike, "limit") == before + 1


def test_pl_06_an_address_that_comes_too_often_is_refused_for_a_while(turnpike):
    before = refused(turnpike, "rate", "behind")

    def come(client):
        with Behind(turnpike.ports["behind"], client) as smtp:
            if smtp.greeting.startswith("220"):
                smtp.ask("QUIT")
            return smtp.greeting[:3]

    assert [come("192.0.2.1") for _ in range(10)] == ["220"] * 10
    assert come("192.0.2.1") == "421"
    assert come("192.0.2.2") == "220"
    # One customer's IPv6 addresses are one client.
    assert [come(f"2001:db8::{i}") for i in range(11)] == ["220"] * 10 + ["421"]
    assert come("2001:db8:0:1::1") == "220"
    # Who may relay has no such limit, nor has loopback.
    assert [come("198.51.100.65") for _ in range(15)] == ["220"] * 15
    assert refused(turnpike, "rate", "behind") == before + 2
    # Ten in a minute are one in six seconds.
    wait_for(lambda: come("192.0.2.1") == "220", timeout=15, interval=1)


def test_pl_06_recipients_of_an_address_without_login_have_a_limit(turnpike):
    def rejected():
        return turnpike.metric("smtp-frontend", "turnpike_smtp_rejections_total", stage="rcpt",
                               reason="rate")

    before = rejected()

    def name(client, user="u", login=None):
        with Behind(turnpike.ports["behind"], client) as smtp:
            smtp.ehlo()
            if login:
                assert smtp.auth_plain(login, PASSWORD).startswith("235")
            smtp.ask("MAIL FROM:<ann@sender.test>" if not login else f"MAIL FROM:<ann@{login}>")
            return [smtp.ask(f"RCPT TO:<{user}{i}@customer.test>")[:9] for i in range(7)]

    accepted, too_many = "250 2.1.5", "452 4.5.3"
    assert name("192.0.2.51") == [accepted] * 5 + [too_many] * 2
    assert name("192.0.2.51") == [too_many] * 7, "in another session too"
    assert rejected() == before + 9
    # What is refused counts too: guessing addresses uses it up.
    with Behind(turnpike.ports["behind"], "192.0.2.52") as smtp:
        smtp.ehlo()
        smtp.ask("MAIL FROM:<ann@sender.test>")
        for _ in range(5):
            assert smtp.ask("RCPT TO:<x@elsewhere.test>").startswith("550 5.7.1")
        assert smtp.ask("RCPT TO:<x@customer.test>").startswith(too_many)
    assert name("192.0.2.51", login="customer.test") == [accepted] * 7, "who has logged in may"
    assert name("198.51.100.66") == [accepted] * 7, "and who may relay"
    with Client(turnpike.ports["mx"]) as smtp:
        smtp.ehlo()
        smtp.ask("MAIL FROM:<ann@sender.test>")
        for i in range(7):
            assert smtp.ask(f"RCPT TO:<u{i}@customer.test>").startswith(accepted)


def test_pl_06_who_drips_octets_gets_421_when_the_time_is_over(turnpike):
    """Each octet alone would have been in time."""
    with Client(turnpike.ports["mx"]) as client:
        client.ehlo()
        begin = time.monotonic()
        with contextlib.suppress(OSError):
            for octet in b"MAIL FROM:<ann@sender.test>":
                client.send(bytes([octet]))
                time.sleep(0.4)
        assert client.reply().startswith("421 4.4.2")
        assert time.monotonic() - begin < 12


def test_pl_06_ten_thousand_idle_connections_cost_little(start):
    """And a message is taken beside them at once."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    assert limit >= 10_500, f"this test needs 10,500 descriptors, {limit} are allowed"
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    turnpike = start({"gateways": [gateway("customer.test")],
                      "smtp": {"connections_per_address_max": 20_000, "idle_timeout": "10m"}})
    pid = turnpike.processes["smtp-frontend"].pid

    def resident_kib():
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0])

    def open_one():
        plain = socket.create_connection(("127.0.0.1", turnpike.ports["mx"]), timeout=60)
        assert plain.recv(500).startswith(b"220 ")
        plain.sendall(b"EHLO client.test\r\n")
        answer = b""
        while b"\r\n250 " not in answer:
            answer += plain.recv(4096)
        plain.sendall(b"MAIL FR")  # and no more: slow ones hold what they have said
        return plain

    idle = [open_one() for _ in range(200)]  # what the first ones need once
    before = resident_kib()
    try:
        idle += [open_one() for _ in range(10_000 - len(idle))]
        assert turnpike.metric("smtp-frontend", "turnpike_smtp_connections") == 10_000
        each = (resident_kib() - before) / 9_800
        print(f"{each:.1f} KiB resident for each idle connection")
        assert each < 24
        begin = time.monotonic()
        with Client(turnpike.ports["mx"]) as client:
            client.ehlo()
            assert client.mail("ann@sender.test", ["x@customer.test"], message(1)).startswith("250")
        assert time.monotonic() - begin < 5
        for plain in idle[::500]:
            plain.sendall(b"OM:<ann@sender.test>\r\n")
            assert plain.recv(500).startswith(b"250 ")
    finally:
        for plain in idle:
            plain.close()
    wait_for(lambda: turnpike.metric("smtp-frontend", "turnpike_smtp_connections") == 0, timeout=60)
