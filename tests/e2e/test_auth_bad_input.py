"""AU-13, AU-24: everything that can be got wrong about AUTH and about addresses, and an auth-service
that is away or slow."""

import base64
import pathlib
import signal
import time

import pytest

from gateways import PASSWORD, gateway
from peers.process import wait_for
from peers.smtp import Client, Server

ANN = "ann@office.test"
FAR = "eve@elsewhere.test"


def b64(text):
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


GOOD = b64(f"\0{ANN}\0{PASSWORD}")


@pytest.fixture(scope="module")
def turnpike(start, certificate):
    with Server(lmtp=True) as sink:
        yield start(
            {
                "gateways": [gateway("customer.test")],
                "local_domains": [
                    {"domain": "office.test", "mailbox_server": f"127.0.0.1:{sink.port}"}],
                "relay_domains": ["partner.test"],
                "trusted_networks": ["127.0.0.4/32"],
                "accounts": [{"address": ANN, "password": "{PLAIN}" + PASSWORD}],
                "auth": {"cram_md5": True, "account_failures_max": 1_000_000},
                "smtp": {"policy_timeout": "1s", "auth_failures_max": 20},
                "dynamic_screening": {"enabled": False},
            },
            {"mx": {"role": "smtp", "tls": certificate},
             "clear": {"role": "smtp", "tls": certificate, "allow_cleartext_auth": True},
             "submission": {"role": "submission", "allow_cleartext_auth": True}})


@pytest.fixture
def client(turnpike):
    with Client(turnpike.ports["clear"]) as client:
        client.ehlo()
        yield client


# [RFC4954 4, 4.7] One row a wrong line, and what must be said to it.
@pytest.mark.parametrize("line, code", [
    ("AUTH", "501 5.5.4"),
    ("AUTH ", "501 5.5.4"),
    ("AUTH NOSUCH", "504 5.5.4"),
    ("AUTH PLAIN-X", "504 5.5.4"),
    ("AUTH SCRAM-SHA-256-PLUS", "504 5.5.4"),  # needs TLS
    ("AUTH EXTERNAL", "504 5.5.4"),
    ("AUTH A_MECHANISM_NAME_LONGER_THAN_TWENTY", "50"),
    ("AUTH PL@IN", "50"),
    ("AUTH CRAM-MD5 =", "501 5.7.0"),  # the server speaks first
    ("AUTH CRAM-MD5 " + GOOD, "501 5.7.0"),
    ("AUTH PLAIN =", "535 5.7.8"),  # empty, which is no login
    ("AUTH PLAIN ==", "501 5.5.2"),
    ("AUTH PLAIN " + GOOD[:-1], "501 5.5.2"),  # truncated
    ("AUTH PLAIN " + GOOD + "=", "501 5.5.2"),
    ("AUTH PLAIN " + GOOD[:8] + " " + GOOD[8:], "501 5.5."),  # with a blank
    ("AUTH PLAIN " + GOOD[:8] + "\t" + GOOD[8:], "501 5.5."),
    ("AUTH PLAIN " + GOOD[:8] + "=" + GOOD[9:], "501 5.5.2"),
    ("AUTH PLAIN " + GOOD[:8] + "*" + GOOD[9:], "501 5.5.2"),
    ("AUTH PLAIN *", "501"),
    ("AUTH PLAIN " + b64(f"\0{ANN}\0{PASSWORD}\0"), "535 5.7.8"),
    ("AUTH PLAIN " + b64(f"{ANN}\0{PASSWORD}"), "535 5.7.8"),
    ("AUTH PLAIN " + b64(f"\0{ANN}\0"), "535 5.7.8"),
    ("AUTH PLAIN " + b64(f"{FAR}\0{ANN}\0{PASSWORD}"), "535 5.7.8"),  # to act for another
    ("AUTH PLAIN " + b64(b"\0" * 5000), "535 5.7.8"),
    ("AUTH PLAIN " + "A" * 12288, "500 5.5.6|500 5.5.2"),  # over-long
])
def test_au_13_wrong_auth_lines(client, line, code):
    answer = client.ask(line)
    assert answer.startswith(tuple(code.split("|"))), answer
    # The session goes on.
    assert client.ask("AUTH PLAIN " + GOOD).startswith("235 2.7.0")


@pytest.mark.parametrize("response, code", [
    ("*", "501 5.7.0"), ("**", "501 5.5.2"), ("=", "501 5.5.2"), ("", "535 5.7.8"),
    (" " + GOOD, "501 5.5.2"), (GOOD + " ", "501 5.5.2"), (GOOD[:-3], "501 5.5.2"),
    ("A" * 13_000, "500 5.5.6"), ("QUIT", "535 5.7.8"), ("RSET", "535 5.7.8"),
])
def test_au_13_wrong_responses(client, response, code):
    assert client.ask("AUTH PLAIN") == "334 "
    answer = client.ask(response)
    assert answer.startswith(code), answer
    assert client.ask("NOOP").startswith("250")
    assert client.ask("AUTH PLAIN").startswith("334")
    assert client.ask(GOOD).startswith("235")


def test_au_13_cancel_at_every_step(client):
    for mechanism, answers in (("PLAIN", []), ("LOGIN", []), ("LOGIN", [b64(ANN)]),
                               ("CRAM-MD5", []),
                               ("SCRAM-SHA-256", []), ("SCRAM-SHA-256", [b64(f"n,,n={ANN},r=x")])):
        assert client.ask(f"AUTH {mechanism}").startswith("334 ")
        for answer in answers:
            assert client.ask(answer).startswith("334 ")
        assert client.ask("*").startswith("501 5.7.0"), mechanism
    assert client.ask("AUTH PLAIN " + GOOD).startswith("235")


def test_au_13_wrong_order(turnpike):
    with Client(turnpike.ports["clear"]) as client:
        assert client.ask("AUTH PLAIN " + GOOD).startswith("503")  # before EHLO
        assert client.ask("HELO client.test").startswith("250")
        assert client.ask("AUTH PLAIN " + GOOD).startswith("503")  # no extensions after HELO
        client.ehlo()
        assert client.ask(f"MAIL FROM:<{FAR}>").startswith("250")
        assert client.ask("AUTH PLAIN " + GOOD).startswith("503")  # in a transaction
        assert client.ask(f"RCPT TO:<{ANN}>").startswith("250")
        assert client.ask("AUTH PLAIN " + GOOD).startswith("503")
        assert client.ask("RSET").startswith("250")
        assert client.ask("AUTH PLAIN " + GOOD).startswith("235")
        assert client.ask("AUTH PLAIN " + GOOD).startswith("503")  # twice
        assert client.ask("STARTTLS").startswith("503")  # after AUTH


def test_au_13_what_was_sent_in_clear_before_tls_counts_for_nothing(turnpike):
    """STARTTLS with AUTH and MAIL behind it in the same segment. [RFC3207 4.2, 6]"""
    with Client(turnpike.ports["clear"]) as client:
        client.ehlo()
        client.send(f"STARTTLS\r\nAUTH PLAIN {GOOD}\r\nMAIL FROM:<{ANN}>\r\n".encode())
        assert client.reply().startswith("220")
        client._wrap()
        client.file = client.socket.makefile("rb")
        assert client.ask("NOOP").startswith("250")  # and no answers to what was smuggled
        client.ehlo()
        assert client.ask(f"MAIL FROM:<{ANN}>").startswith("530 5.7.0")
    # Nor does a login in clear survive; STARTTLS is refused after it (above), so nothing can.


def test_au_13_exchanges_are_the_sessions_own(turnpike):
    """An answer to another connection's challenge does not log in."""
    import hmac
    with Client(turnpike.ports["clear"]) as one, Client(turnpike.ports["clear"]) as two:
        challenges = []
        for client in (one, two):
            client.ehlo()
            challenges.append(base64.b64decode(client.ask("AUTH CRAM-MD5")[4:]))
        assert challenges[0] != challenges[1]
        digest = hmac.new(PASSWORD.encode(), challenges[0], "md5").hexdigest()
        assert two.ask(b64(f"{ANN} {digest}")).startswith("535")
        assert one.ask(b64(f"{ANN} {digest}")).startswith("235")


def test_au_13_too_many_failures_end_the_session(start):
    turnpike = start({"accounts": [{"address": ANN, "password": "{PLAIN}" + PASSWORD}],
                      "local_domains": [{"domain": "office.test", "mailbox_server": "127.0.0.1:9"}],
                      "dynamic_screening": {"enabled": False}},
                     {"clear": {"role": "smtp", "allow_cleartext_auth": True}})
    with Client(turnpike.ports["clear"]) as client:
        client.ehlo()
        for _ in range(3):
            assert client.auth_plain(ANN, "wrong").startswith("535 5.7.8")
        assert client.reply().startswith("421 4.7.0")
        assert client.closed()


# ------------------------------------------------------------------------------------------ AU-24

TRICKS = [
    # Percent hack, bang path, second @, DECnet, in all combinations with our domains.
    "eve%elsewhere.test@office.test", "eve%elsewhere.test@customer.test",
    "eve%elsewhere.test@partner.test", "eve%elsewhere.test%office.test@office.test",
    "elsewhere.test!eve@office.test", "office.test!elsewhere.test!eve@customer.test",
    "elsewhere.test!eve%office.test@office.test", "eve@elsewhere.test@office.test",
    '"eve@elsewhere.test"@office.test', '"eve%elsewhere.test"@office.test',
    '"elsewhere.test!eve"@partner.test', '"elsewhere::eve"@office.test',
    '"\\e\\v\\e\\@elsewhere.test"@office.test', "eve%elsewhere.test@[127.0.0.1]",
    # Source routes.
    "@office.test:eve@elsewhere.test", "@office.test,@customer.test:eve@elsewhere.test",
    "@elsewhere.test:eve%elsewhere.test@office.test", "@office.test:@elsewhere.test:eve@x.test",
    # Literals of our own, and others.
    "eve@[127.0.0.1]", "eve@[0.0.0.0]", "eve@[IPv6:::1]", "eve@[IPv6:::ffff:127.0.0.1]",
    "eve@[198.51.100.7]", "eve@127.0.0.1", "eve@2130706433", "eve@[2130706433]", "eve@[]",
    # No domain, and none of ours.
    "eve", '"eve@elsewhere.test"', "eve%elsewhere.test", "elsewhere.test!eve", "eve@", "@",
    "eve@elsewhere.test.", "eve@office.test.", "eve@.office.test", "eve@office..test",
    "eve@xoffice.test", "eve@office.test.elsewhere.test", "eve@office.testelsewhere.test",
    "eve@sub.office.test", "eve@test", "eve@office.test,elsewhere.test", "eve@office.test;x",
    "eve@elsewhere.test>office.test", "eve@elsewhere.test (office.test)",
    "eve@elsewhere.test\\@office.test", "eve@*.office.test", "eve@-office.test",
    # X.400 and other worlds.
    "/C=US/O=Elsewhere/S=eve/@office.test@elsewhere.test", "eve#elsewhere.test@elsewhere.test",
    "smtp:eve@elsewhere.test", "eve=elsewhere.test@elsewhere.test",
]
ODD_OCTETS = [
    b"eve@elsewhere.test\0@office.test", b"eve\0@office.test", b"eve@office.test\0",
    b"eve@\xe4office.test", b"eve\xff@office.test", "eve＠elsewhere.test@office.test".encode(),
    "eve@elsewhere．test".encode(), "eve@оffice.test".encode(),  # a Cyrillic o
    b"eve\x7f@office.test", b"eve\x08@office.test", b"eve@office.test\t@elsewhere.test",
    b"a" * 300 + b"@office.test", b"eve@" + b"a" * 300 + b".office.test",
    b"eve@" + b"a." * 200 + b"office.test", b'"' + b"a" * 300 + b'"@office.test',
]


@pytest.mark.parametrize("recipient", TRICKS)
def test_au_24_relay_tricks(turnpike, recipient):
    for login in (False, True):
        with Client(turnpike.ports["clear"]) as client:
            client.ehlo()
            if login:  # tried, and failed
                assert client.auth_plain(ANN, "wrong").startswith("535")
            client.ask(f"MAIL FROM:<{FAR}>")
            answer = client.ask(f"RCPT TO:<{recipient}>")
            assert answer[0] == "5", answer
            assert client.ask("DATA").startswith("554")


@pytest.mark.parametrize("octets", ODD_OCTETS, ids=range(len(ODD_OCTETS)))
def test_au_24_odd_octets(turnpike, octets):
    with Client(turnpike.ports["clear"]) as client:
        client.ehlo()
        for parameters in ("", " SMTPUTF8"):
            client.ask(f"MAIL FROM:<{FAR}>{parameters}")
            client.send(b"RCPT TO:<" + octets + b">\r\n")
            answer = client.reply()
            assert answer[0] == "5", answer
            assert all(0x20 <= ord(c) < 0x7F for c in answer), answer
            client.ask("RSET")


def test_au_24_no_way_round_by_reset_tls_or_pipelining(turnpike):
    with Client(turnpike.ports["clear"]) as client:
        client.ehlo()
        # One command's right is not the next one's.
        client.send(f"MAIL FROM:<{FAR}>\r\nRCPT TO:<{ANN}>\r\nRCPT TO:<{FAR}>\r\nRSET\r\n"
                    f"RCPT TO:<{FAR}>\r\nMAIL FROM:<>\r\nRCPT TO:<{FAR}>\r\n".encode())
        codes = [client.reply()[:3] for _ in range(7)]
        assert codes == ["250", "250", "550", "250", "503", "250", "550"]
        client.ask("RSET")
        client.starttls()
        client.ehlo()
        client.ask(f"MAIL FROM:<{FAR}>")
        assert client.ask(f"RCPT TO:<{FAR}>").startswith("550 5.7.1")
        for command in ("XCLIENT ADDR=127.0.0.4", "XFORWARD ADDR=127.0.0.4",
                        "PROXY TCP4 127.0.0.4 127.0.0.1 1 25"):
            assert client.ask(command).startswith("500"), command
        assert client.ask(f"RCPT TO:<{FAR}> ORCPT=rfc822;{ANN}").startswith("550 5.7.1")


def test_au_24_trusted_ips_and_the_authenticated_may_relay(turnpike):
    with Client(turnpike.ports["clear"], source="127.0.0.4") as client:
        client.ehlo()
        client.ask(f"MAIL FROM:<{FAR}>")
        assert client.ask(f"RCPT TO:<{FAR}>").startswith("250")
        assert client.ask("RCPT TO:<eve%elsewhere.test@office.test>").startswith("550 5.7.1")
        assert client.ask("RCPT TO:<eve@[127.0.0.1]>").startswith("550 5.7.1")
    with Client(turnpike.ports["clear"]) as client:
        client.ehlo()
        client.auth_plain(ANN, PASSWORD)
        client.ask(f"MAIL FROM:<{ANN}>")
        assert client.ask(f"RCPT TO:<{FAR}>").startswith("250")
        assert client.ask("RCPT TO:<@relay.test:eve@elsewhere.test>").startswith("250")


# ----------------------------------------------------------------------------- RFC 6531, RFC 4954

def test_au_13_addresses_that_need_smtputf8_without_it(client):
    """[RFC6531 3.5] 550 for MAIL, 553 for RCPT, both 5.6.7."""
    assert client.ask("MAIL FROM:<jörg@elsewhere.test>").startswith("550 5.6.7")
    assert client.ask(f"MAIL FROM:<{FAR}>").startswith("250")
    assert client.ask("RCPT TO:<jörg@office.test>").startswith("553 5.6.7")


def test_au_13_clear_text_mechanisms_are_unknown_without_tls(turnpike):
    """[RFC4954 4] 504 5.5.4."""
    with Client(turnpike.ports["mx"]) as client:
        client.ehlo()
        for mechanism in ("PLAIN", "LOGIN"):
            assert client.ask(f"AUTH {mechanism}").startswith("504 5.5.4")
        client.starttls()
        assert {"PLAIN", "LOGIN"} <= set(client.ehlo()["AUTH"].split())
        assert client.ask("AUTH PLAIN " + GOOD).startswith("235")


# ------------------------------------------------------------------------- auth-service away, slow

@pytest.mark.parametrize("how", ["away", "slow"])
def test_au_13_auth_service_away_or_slow(turnpike, how):
    """454 to AUTH, 451 to mail that needs a verdict; the connection stays, and nothing is lost once
    the service is back."""
    process = turnpike.processes["auth-service"]
    with Client(turnpike.ports["clear"]) as client, Client(turnpike.ports["clear"]) as sender:
        client.ehlo()
        sender.ehlo()
        assert sender.auth_plain(ANN, PASSWORD).startswith("235")
        assert sender.ask(f"MAIL FROM:<{ANN}>").startswith("250")
        assert sender.ask(f"RCPT TO:<{FAR}>").startswith("250")
        assert client.ask("AUTH LOGIN").startswith("334 ")
        if how == "away":
            turnpike.kill("auth-service")
        else:
            process.child.send_signal(signal.SIGSTOP)
            state = pathlib.Path(f"/proc/{process.child.pid}/stat")
            wait_for(lambda: state.read_text().rsplit(")", 1)[1].split()[0] == "T")
        try:
            # In the midst of an exchange, and at its beginning.
            assert client.ask(b64(ANN)).startswith("454 4.7.0")
            for _ in range(3):
                begin = time.monotonic()
                assert client.auth_plain(ANN, PASSWORD).startswith("454 4.7.0")
                assert time.monotonic() - begin < 5
            assert client.ask(f"MAIL FROM:<x{how}@else{how}.test>").startswith("451 4.3.0")
            # A From: header that nobody can judge: the message is not taken, and not stored.
            assert sender.ask("DATA").startswith("354")
            letter = f"From: {ANN}\r\n\r\nHello.\r\n.\r\n".encode()
            assert sender.ask(letter).startswith("451 4.3.0")
        finally:
            if how == "away":
                turnpike.restart("auth-service")
            else:
                process.child.send_signal(signal.SIGCONT)

        wait_for(lambda: sender.mail(ANN, [FAR], f"From: {ANN}\r\n\r\nHello.\r\n".encode())
                 .startswith("250"), 15, what="the service being found again")
        wait_for(lambda: client.auth_plain(ANN, PASSWORD).startswith("235"), 15, what="a login")
