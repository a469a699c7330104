"""Facts from the field that Turnpike keeps to (dequeue.md), each by what is seen on the wire. Those that
need fetchmail itself are in test_dequeue_peers.py."""

import base64
import ssl
import time

import pytest

from gateways import PASSWORD, atrn, gateway, login, queue_counts, submit, without_received
from peers.process import wait_for
from peers.smtp import Client, Server


@pytest.fixture(scope="module")
def turnpike(start, certificate):
    return start(
        {
            "gateways": [gateway("customer.test"),
                         gateway("chunks.test", atrn={"allow_chunking": True})],
            # Held mail knows nothing of these.
            "retry": {"first_interval": "1s", "first_period": "1s", "interval": "1s",
                      "warn_after": "1s", "expire_after": "2s"},
        },
        {
            "mx": {"role": "smtp"},
            "odmr": {"role": "odmr", "tls": certificate},
            "odmrs": {"role": "odmr", "tls": certificate, "implicit_tls": True},
        })


@pytest.mark.parametrize("command", ["MAIL FROM:<a@b.test>", "RCPT TO:<a@b.test>", "DATA", "RSET",
                                     "NOOP", "VRFY a", "HELP", "ETRN customer.test", "HELO x"])
def test_dq_31_before_auth_an_odmr_listener_knows_few_commands(turnpike, command):
    """[RFC2645 5.1] EHLO, AUTH, QUIT, and STARTTLS where it is offered; 502 to the rest."""
    with Client(turnpike.ports["odmr"]) as client:
        client.ehlo()
        assert client.ask(command).startswith("502 ")
        assert client.ask("QUIT").startswith("221")


def test_dq_31_atrn_is_in_the_first_ehlo_reply(turnpike):
    """fetchmail looks for it there, before AUTH, and never again."""
    with Client(turnpike.ports["odmr"]) as client:
        assert "ATRN" in client.ehlo()


def test_dq_33_the_cram_md5_challenge_is_one_short_line(turnpike):
    with Client(turnpike.ports["odmr"]) as client:
        client.ehlo()
        challenge = client.ask("AUTH CRAM-MD5")
        assert challenge.startswith("334 ") and "\n" not in challenge
        assert len(base64.b64decode(challenge[4:])) < 768


@pytest.mark.parametrize("argument", ["", " customer.test", " second.test", " nodot"])
def test_dq_31_every_reply_to_atrn_is_one_line(turnpike, argument):
    """fetchmail reads one; a second one would reach the customer's server as a command."""
    with Client(turnpike.ports["odmr"]) as client:
        client.ehlo()
        assert client.auth_cram_md5("customer.test", PASSWORD).startswith("235")
        client.send("ATRN" + argument)
        assert client.line()[3] == " "
        client.send("QUIT")
        assert client.line().startswith("221")


def test_dq_35_no_starttls_after_the_turn_and_data_rather_than_bdat(turnpike):
    contents = submit(turnpike.ports["mx"], "customer.test", 2)
    _, server = atrn(turnpike.ports["odmr"], "customer.test",
                     Server(capabilities=["STARTTLS", "CHUNKING", "PIPELINING", "8BITMIME"]))
    assert [without_received(m.content) for m in server.messages] == contents
    verbs = {line.split(" ")[0] for line in server.transcripts[0]}
    assert "STARTTLS" not in verbs and "BDAT" not in verbs and "DATA" in verbs


def test_dq_35_bdat_where_the_gateway_says_so(turnpike):
    """The scripted server knows no BDAT: that it is asked for is all there is to see."""
    submit(turnpike.ports["mx"], "chunks.test", 1)
    _, server = atrn(turnpike.ports["odmr"], "chunks.test", Server(capabilities=["CHUNKING"]))
    assert any(line.startswith("BDAT ") for line in server.transcripts[0])


def test_dq_35_one_line_a_tls_record(turnpike):
    """Each piece that the TLS library hands out is one record: it must end a line, and have one."""
    contents = submit(turnpike.ports["mx"], "customer.test", 1, size=6000)
    client = Client(turnpike.ports["odmrs"], tls=True)
    client.ehlo()
    assert client.auth_plain("customer.test", PASSWORD).startswith("235")
    assert client.ask("ATRN customer.test").startswith("250 ")
    assert isinstance(client.socket, ssl.SSLSocket)
    records, replies = [], {b"EHLO": "250 customer.test", b"DATA": "354 go on", b"QUIT": "221 bye"}
    client.send("220 customer.test ESMTP")
    in_content = False
    while True:
        record = client.socket.recv(65536)
        if not record:
            break
        records.append(record)
        if in_content:
            if record == b".\r\n":
                in_content = False
                client.send("250 2.0.0 taken")
            continue
        client.send(replies.get(record[:4].upper(), "250 2.0.0 ok"))
        in_content = record[:4].upper() == b"DATA"
        if record[:4].upper() == b"QUIT":
            break
    client.close()
    assert all(r.endswith(b"\r\n") and r.count(b"\n") == 1 for r in records), records[:20]
    lines = [r for r in records if r.startswith(b"0123456789abcdef")]
    assert b"".join(lines) in contents[0] and len(lines) == 6000 // 66


def test_dq_02_held_mail_is_never_returned_by_the_rules_for_retries(turnpike):
    """Not by their expiry, and not by what its server has said in a session."""
    submit(turnpike.ports["mx"], "customer.test", 2)
    atrn(turnpike.ports["odmr"], "customer.test",
         Server(lambda stage, *rest: "451 4.3.0 not now" if stage == "rcpt" else None))
    wait_for(lambda: queue_counts(turnpike, "customer.test") == (2, 0, 0, 0))
    time.sleep(4)
    assert queue_counts(turnpike, "customer.test") == (2, 0, 0, 0)
    _, server = atrn(turnpike.ports["odmr"], "customer.test")
    assert len(server.messages) == 2
    assert not any(m.mail.split()[1] == "FROM:<>" for m in server.messages)
