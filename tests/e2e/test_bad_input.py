"""Bad input gets a clear answer and loses nothing: wrong commands, and a peer that hangs up at any
octet of the dialogue (PL-3, PL-4, DQ-34)."""

import pytest

from gateways import GATEWAY, PASSWORD, atrn, gateway, list_deliveries, queue_counts
from peers.process import wait_for
from peers.smtp import Client, Server, message, stuff


@pytest.fixture(scope="module")
def turnpike(start):
    return start({"gateways": [gateway("customer.test"), gateway("second.test")]},
                 {"mx": {"role": "smtp"}, "odmr": {"role": "odmr"}})


@pytest.mark.parametrize("command, code", [
    ("", "500"), ("FOO", "500"), ("MAIL", "501"), ("MAIL FROM", "501"), ("MAIL FROM:ann", "501"),
    ("MAIL FROM:<ann@>", "501"), ("MAIL FROM:<@x>", "501"), ("MAIL FROM:<a b@c.test>", "501"),
    ("MAIL FROM:<ann@sender.test> SIZE=x", "501"), ("MAIL FROM:<ann@sender.test> SIZE=-1", "501"),
    ("MAIL FROM:<ann@sender.test> SIZE=99999999999999999999", "552"),
    ("MAIL FROM:<ann@sender.test> BODY=9BIT", "501"), ("MAIL FROM:<ann@sender.test> FOO=1", "555"),
    ("MAIL FROM:<ann@sender.test> RET=FULL RET=HDRS", "501"),
    ("MAIL FROM:<ann@sender.test> ENVID=a+0D+0Ab", "501"),
    ("RCPT TO:<x@customer.test>", "503"), ("DATA", "503"), ("BDAT 0 LAST", "503"),
    ("VRFY ann", "252"), ("EXPN list", "502"), ("HELP", "214"), ("NOOP anything", "250"),
    ("EHLO", "501"), ("HELO", "501"), ("STARTTLS now", "501|502|454"), ("QUIT now", "501|221"),
])
def test_pl_04_malformed_commands(turnpike, command, code):
    with Client(turnpike.ports["mx"]) as client:
        client.ehlo()
        answer = client.ask(command)
        assert answer[:3] in code.split("|"), answer
        assert all(0x20 <= ord(c) < 0x7F or c == "\n" for c in answer)


def test_pl_04_nothing_of_the_input_splits_the_reply(turnpike):
    with Client(turnpike.ports["mx"]) as client:
        client.ehlo()
        client.send(b"FOO\x07\x1b[2J\x7f\xff bar\r\n")
        answer = client.reply()
        assert all(0x20 <= ord(c) < 0x7F for c in answer), answer


DIALOGUE = (b"EHLO client.test\r\nMAIL FROM:<ann@sender.test>\r\nRCPT TO:<cut@second.test>\r\nDATA\r\n"
            + stuff(message(1)) + b".\r\nQUIT\r\n")


def test_pl_03_a_client_that_hangs_up_at_any_octet_leaves_nothing_half_done(turnpike):
    """Whatever the cut, the message is there whole or not at all, and not at all before its end."""
    end = DIALOGUE.index(b"\r\n.\r\n") + 5
    for cut in range(0, len(DIALOGUE) + 1):
        with Client(turnpike.ports["mx"]) as client:
            client.send(DIALOGUE[:cut])
            if cut >= end:
                for _ in range(5):
                    client.reply()
    expected = len(DIALOGUE) + 1 - end
    wait_for(lambda: queue_counts(turnpike, "second.test")[0] == expected)
    reply, server = atrn(turnpike.ports["odmr"], "second.test")
    assert len(server.messages) == expected
    assert len({m.content.split(b"\r\nFrom:")[1] for m in server.messages}) == 1
    with Client(turnpike.ports["mx"]) as client:
        client.ehlo()
        assert client.ask("NOOP").startswith("250")


def test_dq_34_a_peer_that_hangs_up_at_any_line_of_the_reversed_dialogue(turnpike):
    """The peer reads n lines after the turn and is gone; in the end the message arrives once."""
    from gateways import login
    for lines in range(0, 16):
        with Client(turnpike.ports["mx"]) as client:
            client.ehlo()
            assert client.mail("a@sender.test", ["x@customer.test"], message(lines)).startswith("250")
        client = wait_for(lambda: login(turnpike.ports["odmr"], "customer.test"))
        assert wait_for(lambda: (lambda r: r if r.startswith("250") else None)(client.ask("ATRN")))
        taken = 0
        try:
            client.send("220 here")
            data = False
            for _ in range(lines):
                line = client.line()
                if data:
                    if line == ".":
                        data = False
                        client.send("250 2.0.0 taken")
                        taken += 1
                elif line == "DATA":
                    data = True
                    client.send("354 go")
                else:
                    client.send("250 ok")
        except OSError:
            pass
        client.close()
        wait_for(lambda: queue_counts(turnpike, "customer.test")[3] == 0, what="the leases ending")
        # The record of the last 250 may have won or lost the race with our hanging up.
        left = queue_counts(turnpike, "customer.test")[0]
        assert left in ((0, 1) if taken else (1,)), f"after {lines} lines: {left} left"
        if left:
            wait_for(lambda: len(atrn(turnpike.ports["odmr"], "customer.test")[1].messages) == 1)
        assert queue_counts(turnpike, "customer.test") == (0, 0, 0, 0)


@pytest.mark.parametrize("greeting", [
    b"garbage\r\n", b"220-" + b"x" * 200 + b"\r\n", b"999 what\r\n", b"2\r\n", b"\r\n",
    b"220 a\n220 b\n", b"\0\0\0\0\r\n", b"421 closing\r\n", b"554 no\r\n"], ids=range(9))
def test_dq_34_garbage_after_the_turn_costs_nothing(turnpike, greeting):
    from gateways import login
    if not queue_counts(turnpike, "customer.test")[0]:
        with Client(turnpike.ports["mx"]) as client:
            client.ehlo()
            client.mail("a@sender.test", ["x@customer.test"], message(1))
    client = login(turnpike.ports["odmr"], "customer.test")
    assert wait_for(lambda: (lambda r: r if r.startswith("250") else None)(client.ask("ATRN")))
    client.send(greeting)
    client.close()
    wait_for(lambda: queue_counts(turnpike, "customer.test") == (1, 0, 0, 0))


def test_dq_31_what_is_pipelined_behind_atrn_is_not_taken_for_the_greeting(turnpike):
    from gateways import login
    with Client(turnpike.ports["mx"]) as client:
        client.ehlo()
        client.mail("a@sender.test", ["x@customer.test"], message(1))
    client = login(turnpike.ports["odmr"], "customer.test")
    client.send(b"ATRN customer.test\r\n220 too early\r\n250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n")
    client.socket.settimeout(10)
    try:
        while True:
            line = client.line()
            assert not line.startswith("EHLO")
    except OSError:
        pass
    client.close()
    wait_for(lambda: queue_counts(turnpike, "customer.test")[0] >= 1)
    atrn(turnpike.ports["odmr"], "customer.test")
