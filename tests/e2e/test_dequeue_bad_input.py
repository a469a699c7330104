"""Bad input to ETRN and ATRN, and bad peers after the turn: each has a defined end and a time
limit, and loses nothing. (DQ-12, DQ-31, DQ-34, DQ-36)"""

import time

import pytest

from gateways import (PASSWORD, atrn, describe_gateway, gateway, login, queue_counts, submit,
                      without_received)
from peers.process import wait_for
from peers.smtp import Client, Server

IDLE = 3  # seconds


@pytest.fixture(scope="module")
def turnpike(start):
    return start(
        {"gateways": [gateway("customer.test", {"require_auth": False}), gateway("second.test")],
         "smtp": {"idle_timeout": f"{IDLE}s"}},
        {"mx": {"role": "smtp", "allow_cleartext_auth": True}, "odmr": {"role": "odmr"},
         "both": {"role": "smtp", "odmr": True, "allow_cleartext_auth": True}})


@pytest.fixture
def held(turnpike):
    """Three messages; whatever the test does, they are collected afterwards, each once."""
    contents = submit(turnpike.ports["mx"], "customer.test", 3)
    taken = []
    yield taken
    wait_for(lambda: not describe_gateway(turnpike, "customer.test").running_sessions,
             timeout=5 * IDLE, what="the session's end")
    wait_for(lambda: queue_counts(turnpike, "customer.test")[3] == 0, what="no lease left")
    if len(taken) < 3:
        reply, server = atrn(turnpike.ports["odmr"], "customer.test")
        assert reply.startswith("250")
        taken += server.messages
    assert [without_received(m.content) for m in taken] == contents
    assert queue_counts(turnpike, "customer.test") == (0, 0, 0, 0)


# ------------------------------------------------------------------------------- before the turn


def test_dq_31_two_logins_for_each_others_domains(turnpike, held):
    assert login(turnpike.ports["odmr"], "customer.test").ask("ATRN second.test")[:3] == "450"
    assert login(turnpike.ports["odmr"], "second.test").ask("ATRN customer.test")[:3] == "450"


@pytest.mark.parametrize("domains", ["customer.test,second.test", "second.test,customer.test",
                                     "customer.test,unknown.test", "sub.customer.test"])
def test_dq_31_a_list_with_foreign_domains_gets_nothing(turnpike, held, domains):
    client = login(turnpike.ports["odmr"], "customer.test")
    assert client.ask(f"ATRN {domains}")[:3] == "450"
    assert client.ask("NOOP")[:3] == "250", "the session stays as it is"


@pytest.mark.parametrize("domains", [
    "customer.test, second.test", "customer.test second.test", "nodot", ",", "customer.test,",
    ",customer.test", "customer..test", "customer.test\0", "*.test", "[127.0.0.1]",
    "customer.test;second.test", "a" * 300 + ".test"])
def test_dq_31_malformed_domains_are_syntax_errors(turnpike, held, domains):
    client = login(turnpike.ports["odmr"], "customer.test")
    assert client.ask(f"ATRN {domains}")[:3] in ("500", "501")
    assert client.ask("NOOP")[:3] == "250"


def test_dq_31_a_list_longer_than_a_line_is_refused(turnpike, held):
    client = login(turnpike.ports["odmr"], "customer.test")
    assert client.ask("ATRN " + ",".join(["customer.test"] * 2000))[:3] == "500"
    assert client.ask("NOOP")[:3] == "250"


@pytest.mark.parametrize("argument, code", [
    ("", "500"), ("nodot", "501"), ("a b.test", "501"), ("customer.test x", "501"),
    ("@", "501"), ("#", "501"), ("#nodot", "501"), ("@test", "459"), ("&customer.test", "501"),
    ("customer.test,second.test", "501"), ("<customer.test>", "501"), ("#unknown.test", "459"),
    ("@unknown.test", "459"), ("tomer.test", "459"), ("@tomer.test", "459")])
def test_dq_12_malformed_and_foreign_nodes(turnpike, held, argument, code):
    with Client(turnpike.ports["mx"]) as client:
        client.ehlo()
        reply = client.ask(f"ETRN {argument}".strip())
        assert reply[:3] == code and "\n" not in reply
        assert client.ask("NOOP")[:3] == "250"


def test_dq_12_etrn_before_ehlo_and_in_a_transaction(turnpike, held):
    with Client(turnpike.ports["mx"]) as client:
        assert client.ask("ETRN customer.test")[:3] == "503"
        client.ehlo()
        client.ask("MAIL FROM:<ann@sender.test>")
        assert client.ask("ETRN customer.test")[:3] == "503"
        assert client.ask("RCPT TO:<x@customer.test>")[:3] == "250", "the transaction stays"


def test_dq_31_atrn_in_a_transaction(turnpike, held):
    client = login(turnpike.ports["both"], "customer.test")
    client.ask("MAIL FROM:<boss@customer.test>")
    assert client.ask("ATRN customer.test")[:3] == "503"
    assert client.ask("RCPT TO:<x@second.test>")[:3] == "250", "the transaction stays"


def test_dq_31_atrn_again_after_a_refusal(turnpike, held):
    client = login(turnpike.ports["odmr"], "customer.test")
    assert client.ask("ATRN second.test")[:3] == "450"
    reply, server = atrn(turnpike.ports["odmr"], "customer.test", client=client)
    assert reply.startswith("250")
    held += server.messages


@pytest.mark.parametrize("behind", [b"ATRN\r\n", b"QUIT\r\n", b"220 customer.test ESMTP\r\n",
                                    b"\0\xff\r\n"])
def test_dq_31_octets_behind_atrn_close_the_connection(turnpike, held, behind):
    """They were sent before the roles turned, so they cannot be the answer of a server."""
    client = login(turnpike.ports["odmr"], "customer.test")
    client.send(b"ATRN\r\n" + behind)
    seen = client.file.read()  # to the end of the stream
    assert b"EHLO" not in seen and seen.count(b"\r\n") <= 1


# -------------------------------------------------------------------------------- after the turn


class RawPeer:
    """Has asked, and now does what no server does. `end` tells how long the session lasted."""

    def __init__(self, turnpike):
        self.client = login(turnpike.ports["odmr"], "customer.test")
        assert self.client.ask("ATRN").startswith("250")
        self.begin = time.monotonic()

    def send(self, data):
        try:
            self.client.socket.sendall(data)
        except OSError:
            pass

    def end(self):
        """Reads until the other side has closed; seconds since the turn."""
        self.client.socket.settimeout(20 * IDLE)
        try:
            while self.client.socket.recv(65536):
                pass
        except ConnectionError:
            pass
        self.client.close()
        return time.monotonic() - self.begin


def test_dq_36_a_peer_that_never_answers(turnpike, held):
    peer = RawPeer(turnpike)
    assert IDLE - 1 < peer.end() < 3 * IDLE


def test_dq_36_a_peer_that_greets_and_then_never_answers(turnpike, held):
    peer = RawPeer(turnpike)
    peer.send(b"220 customer.test ESMTP\r\n")
    assert IDLE - 1 < peer.end() < 3 * IDLE


@pytest.mark.parametrize("garbage", [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20, b"hello there\r\n" * 10,
    b"220-a\r\n250 b\r\n", b"999 what\r\n", b"22\r\n", b"EHLO customer.test\r\n", b"\r\n\r\n",
    b"\0" * 5000, b"220\n250\n"])
def test_dq_34_a_peer_that_answers_garbage(turnpike, held, garbage):
    peer = RawPeer(turnpike)
    peer.send(garbage)
    assert peer.end() < 3 * IDLE


def test_dq_34_a_peer_that_answers_an_endless_line(turnpike, held):
    peer = RawPeer(turnpike)
    peer.send(b"220 " + b"x" * 3_000_000)
    assert peer.end() < 3 * IDLE


def test_dq_34_a_peer_that_answers_an_endless_reply(turnpike, held):
    peer = RawPeer(turnpike)
    peer.send(b"220-and so on\r\n" * 200_000)
    assert peer.end() < 3 * IDLE


def test_dq_34_a_peer_that_drips(turnpike, held):
    """An octet now and then is no reply: the limit is for the whole of it."""
    peer = RawPeer(turnpike)
    for octet in b"220 customer.test ESMTP and":
        peer.send(bytes([octet]))
        time.sleep(IDLE / 8)
    assert peer.end() < 4 * IDLE + 2


@pytest.mark.parametrize("reply", ["421 4.3.2 go away", "450 4.2.1 no", "550 5.7.1 no", "554 no"])
def test_dq_36_a_peer_that_refuses_in_its_greeting(turnpike, held, reply):
    _, server = atrn(turnpike.ports["odmr"], "customer.test",
                     Server(lambda stage, *rest: reply if stage == "connect" else None))
    assert not server.messages


@pytest.mark.parametrize("stages", [("helo",), ("mail",), ("rcpt",), ("data",), ("end",),
                                    ("helo", "mail", "rcpt", "data", "end", "rset", "quit")])
def test_dq_34_a_peer_that_answers_4xx(turnpike, held, stages):
    def respond(stage, text, session):
        return "451 4.3.0 not now" if stage in stages else None

    begin = time.monotonic()
    _, server = atrn(turnpike.ports["odmr"], "customer.test", Server(respond))
    assert not server.messages and time.monotonic() - begin < 3 * IDLE
    assert len([line for line in server.transcripts[0] if line.startswith("MAIL")]) <= 3, \
        "each message is offered once in a session"


def test_dq_34_the_wrong_code_is_no_acceptance(turnpike, held):
    """A 2xx that is not 250 to the data, and a 354 to MAIL: the peer is not in step with us."""
    _, server = atrn(turnpike.ports["odmr"], "customer.test",
                     Server(lambda stage, *rest: "354 go on" if stage == "mail" else None))
    assert not server.messages
