"""PL-1 to PL-7: the SMTP server as clients see it."""

import socket
import time

import pytest

from gateways import PASSWORD, atrn, gateway, submit, without_received
from peers.process import free_port, wait_for
from peers.smtp import Client, Message, Server, message, stuff

ACCOUNT = "ann@office.test"


@pytest.fixture(scope="module")
def turnpike(start, certificate):
    return start(
        {
            "gateways": [gateway("customer.test"), gateway("other.test")],
            "local_domains": [{"domain": "office.test", "mailbox_server": f"127.0.0.1:{free_port()}"}],
            "accounts": [{"address": ACCOUNT, "password": "{PLAIN}" + PASSWORD}],
            "smtp": {"message_bytes_max": "4MiB", "recipients_max": 120, "idle_timeout": "20s"},
        },
        {
            "mx": {"role": "smtp", "tls": certificate},
            "submission": {"role": "submission", "tls": certificate},
            "submissions": {"role": "submissions", "tls": certificate},
            "odmr": {"role": "odmr"},
            "small": {"role": "smtp", "message_bytes_max": "64KiB"},
        })


def test_pl_01_each_role_offers_its_own(turnpike):
    with Client(turnpike.ports["mx"]) as client:
        offered = client.ehlo()
        assert "STARTTLS" in offered and "ATRN" not in offered
    with Client(turnpike.ports["submission"]) as client:
        assert not {"PLAIN", "LOGIN"} & set(client.ehlo().get("AUTH", "").split()), "before TLS"
        client.starttls()
        assert "PLAIN" in client.ehlo()["AUTH"].split()
        assert client.ask("MAIL FROM:<ann@office.test>").startswith("530 5.7.0")
    with Client(turnpike.ports["submissions"], tls=True) as client:
        offered = client.ehlo()
        assert "PLAIN" in offered["AUTH"].split() and "STARTTLS" not in offered
    with Client(turnpike.ports["odmr"]) as client:
        offered = client.ehlo()
        assert "ATRN" in offered and "CRAM-MD5" in offered["AUTH"].split()
        assert client.ask("MAIL FROM:<ann@sender.test>").startswith("502")


def test_pl_01_submission_takes_mail_after_auth(turnpike):
    with Client(turnpike.ports["submissions"], tls=True) as client:
        client.ehlo()
        assert client.auth_plain(ACCOUNT, PASSWORD).startswith("235 2.7.0")
        content = message(1).replace(b"ann@sender.test", ACCOUNT.encode())
        assert client.mail(ACCOUNT, ["x@customer.test"], content).startswith("250 2.0.0")


def test_pl_02_capabilities_are_those_that_are_honoured(turnpike):
    with Client(turnpike.ports["mx"]) as client:
        offered = client.ehlo()
    assert {"PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "DSN", "CHUNKING",
            "STARTTLS", "ETRN"} <= set(offered)
    assert offered["SIZE"] == str(4 * 1024 * 1024)


def test_pl_02_pipelined_transaction_in_one_packet(turnpike):
    with Client(turnpike.ports["mx"]) as client:
        client.ehlo()
        client.send(b"MAIL FROM:<ann@sender.test>\r\nRCPT TO:<p1@customer.test>\r\n"
                    b"RCPT TO:<nobody@nowhere.test>\r\nRCPT TO:<p2@customer.test>\r\nDATA\r\n")
        codes = [client.reply()[:3] for _ in range(5)]
        assert codes == ["250", "250", "550", "250", "354"]
        client.send(stuff(message(2)) + b".\r\nQUIT\r\n")
        assert client.reply().startswith("250 2.0.0")
        assert client.reply().startswith("221")


def test_pl_02_bdat_in_two_chunks_arrives_whole(turnpike):
    atrn(turnpike.ports["odmr"], "other.test")
    content = b"Subject: chunks\r\n\r\n.leading dot\r\n" + (b"x" * 98 + b"\r\n") * 500
    with Client(turnpike.ports["mx"]) as client:
        client.ehlo()
        client.ask("MAIL FROM:<ann@sender.test>")
        client.ask("RCPT TO:<c@other.test>")
        client.send(b"BDAT 30000\r\n" + content[:30000])
        assert client.reply().startswith("250")
        client.send(b"BDAT %d LAST\r\n" % (len(content) - 30000) + content[30000:])
        assert client.reply().startswith("250 2.0.0")
    _, server = atrn(turnpike.ports["odmr"], "other.test")
    assert [without_received(m.content) for m in server.messages] == [content]


def test_pl_02_envelope_parameters_survive_holding(turnpike):
    atrn(turnpike.ports["odmr"], "other.test")
    with Client(turnpike.ports["mx"]) as client:
        client.ehlo()
        content = "Subject: grüße\r\n\r\nhä\r\n".encode()
        answer = client.mail(
            "ann@sender.test", ["d@other.test"], content,
            " BODY=8BITMIME RET=HDRS ENVID=QQ+2B314 SMTPUTF8",
            " NOTIFY=FAILURE,DELAY ORCPT=RFC822;d+2Bx@other.test")
        assert answer.startswith("250 2.0.0"), answer
    taker = Server(capabilities=["8BITMIME", "SMTPUTF8", "DSN", "SIZE 0"])
    _, server = atrn(turnpike.ports["odmr"], "other.test", taker)
    [taken] = server.messages
    assert without_received(taken.content) == content
    for parameter in ("BODY=8BITMIME", "RET=HDRS", "ENVID=QQ+2B314", "SMTPUTF8"):
        assert parameter in taken.mail.split(), taken.mail
    assert "ORCPT=RFC822;d+2Bx@other.test" in taken.rcpts[0]
    assert "NOTIFY=FAILURE,DELAY" in taken.rcpts[0]


def test_pl_03_no_250_while_the_store_is_away(start):
    turnpike = start({"gateways": [gateway("customer.test")], "smtp": {"store_timeout": "1s"}})
    turnpike.kill("spool-store")
    with Client(turnpike.ports["mx"]) as client:
        client.ehlo()
        answer = client.mail("ann@sender.test", ["x@customer.test"], message(1))
        assert answer.startswith("451 4.3.0"), answer
        turnpike.restart("spool-store")
        accepted = wait_for(
            lambda: client.mail("ann@sender.test", ["x@customer.test"], message(2)).startswith("250"),
            what="mail being taken again on the same connection")
        assert accepted


SMUGGLED = b"MAIL FROM:<evil@sender.test>\r\nRCPT TO:<victim@customer.test>\r\nDATA\r\nevil\r\n.\r\n"


@pytest.mark.parametrize("ending", [
    b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r", b"\r\r\n.\r\r\n", b"\n\n.\n\n",
    b"\r\n\0.\r\n", b"\r\n.\0\r\n", b"\r\n.\r\r\n", b"\n\r.\n\r", b"\0.\0"],
    ids=lambda ending: ending.hex())
def test_pl_04_no_message_is_smuggled(turnpike, ending):
    """Only CRLF.CRLF ends the data, and bare CR or LF (or NUL) is refused."""
    with Client(turnpike.ports["mx"]) as client:
        client.ehlo()
        client.send(b"MAIL FROM:<ann@sender.test>\r\nRCPT TO:<x@customer.test>\r\nDATA\r\n")
        for _ in range(3):
            client.reply()
        client.send(b"Subject: a\r\n\r\nbody" + ending + SMUGGLED)
        assert client.reply()[:3] in ("550", "521", "554", "500")
        # Nothing of what followed was taken for commands: the one reply is followed by ours or EOF.
        try:
            assert client.ask("NOOP")[:3] in ("250", "421")
        except ConnectionError:
            pass


def test_pl_04_bare_line_feed_in_a_command_is_refused(turnpike):
    with Client(turnpike.ports["mx"]) as client:
        client.ehlo()
        client.send(b"MAIL FROM:<ann@sender.test>\nRCPT TO:<x@customer.test>\r\n")
        assert client.reply()[:3] in ("500", "501", "521")


def test_pl_04_clear_text_behind_starttls_is_discarded(turnpike):
    with Client(turnpike.ports["mx"]) as client:
        client.ehlo()
        client.send(b"STARTTLS\r\nMAIL FROM:<injected@sender.test>\r\n")
        assert client.reply().startswith("220")
        try:
            client._wrap()
        except OSError:
            return  # refusing the connection is fine too
        client.file = client.socket.makefile("rb")
        offered = client.ehlo()
        assert "STARTTLS" not in offered
        assert client.ask("RCPT TO:<x@customer.test>").startswith("503")


def test_pl_04_limits_have_their_codes(turnpike):
    with Client(turnpike.ports["mx"]) as client:
        client.ehlo()
        assert client.ask("NOOP " + "x" * 3000).startswith("500")
        assert client.ask(f"MAIL FROM:<ann@sender.test> SIZE={5 * 1024 * 1024}").startswith("552")
        assert client.ask("MAIL FROM:<ann@sender.test>").startswith("250")
        codes = [client.ask(f"RCPT TO:<r{i}@customer.test>")[:3] for i in range(121)]
        assert codes == ["250"] * 120 + ["452"]


def test_pl_04_long_return_paths_of_mailing_lists_are_taken(turnpike):
    atrn(turnpike.ports["odmr"], "other.test")
    sender = "list-bounces+" + "x" * 150 + "=customer.test@sender.test"
    submit(turnpike.ports["mx"], "other.test", sender=sender)
    _, server = atrn(turnpike.ports["odmr"], "other.test")
    assert server.messages[0].mail.split()[1] == f"FROM:<{sender}>"


def test_pl_04_a_message_over_the_limit_is_refused_and_the_session_goes_on(turnpike):
    with Client(turnpike.ports["small"]) as client:
        assert client.ehlo()["SIZE"] == str(64 * 1024)
        answer = client.mail("ann@sender.test", ["x@customer.test"], message(1, 100_000))
        assert answer.startswith("552 5.3.4"), answer
        answer = client.mail("ann@sender.test", ["x@customer.test"], message(2))
        assert answer.startswith("250 2.0.0"), answer


def test_pl_04_received_is_added_and_a_loop_refused(turnpike):
    atrn(turnpike.ports["odmr"], "other.test")
    submit(turnpike.ports["mx"], "other.test")
    _, server = atrn(turnpike.ports["odmr"], "other.test")
    field = b" ".join(server.messages[0].content.split(b"\r\nFrom:")[0].split())
    assert b"from client.test (" in field and b"127.0.0.1" in field and b"gate.turnpike.test" in field
    assert b"with ESMTP id " in field
    looping = b"".join(b"Received: from a by b; Mon, 1 Jan 2024 00:00:00 +0000\r\n" for _ in range(60))
    with Client(turnpike.ports["mx"]) as client:
        client.ehlo()
        answer = client.mail("ann@sender.test", ["x@other.test"], looping + message(1))
        assert answer.startswith("554 5.4.6"), answer


def test_pl_04_wrong_commands_end_the_session(turnpike):
    with Client(turnpike.ports["mx"]) as client:
        for _ in range(50):
            try:
                answer = client.ask("WHAT")
            except ConnectionError:
                break
            if answer.startswith("421"):
                break
        else:
            pytest.fail("50 wrong commands did not end the session")


def test_pl_07_drain_finishes_the_transaction_and_leaves_with_421(start):
    turnpike = start({"gateways": [gateway("customer.test")]})
    idle = Client(turnpike.ports["mx"])
    idle.ehlo()
    busy = Client(turnpike.ports["mx"])
    busy.ehlo()
    busy.ask("MAIL FROM:<ann@sender.test>")
    busy.ask("RCPT TO:<x@customer.test>")
    busy.ask("DATA")
    process = turnpike.processes["smtp-frontend"]
    process.child.terminate()
    assert idle.reply().startswith("421")
    assert idle.closed()
    with pytest.raises(OSError):
        Client(turnpike.ports["mx"], timeout=2)
    busy.send(stuff(message(1)) + b".\r\n")
    assert busy.reply().startswith("250 2.0.0")
    assert process.child.wait(20) == 0
