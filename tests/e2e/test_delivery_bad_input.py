"""Remote hosts that do everything wrong: each is counted, explained in the message's record, and the
mail is retried or returned by the rules; other mail goes on."""

import socket
import threading
import time

import pytest

from delivery_site import (LISTENERS, attempts, dns, hosts, mailboxes, reports, send,  # noqa: F401
                           settings, status_fields, well_behaved)
from gateways import REMOTE, list_deliveries
from peers.dns import Dns
from peers.process import wait_for
from peers.smtp import Server

ZONES = {
    "remote.test": "first 60 A 127.0.0.11\nfine 60 MX 10 first\n"
                   "bad 60 A 127.0.0.21\n*.rough 60 MX 10 bad\n"
                   "*.either 60 MX 10 bad\n*.either 60 MX 20 first\n",
}


@pytest.fixture(scope="module")
def dns(tmp_path_factory):  # noqa: F811
    with Dns(tmp_path_factory.mktemp("dns"), ZONES) as server:
        yield server


@pytest.fixture(scope="module")
def turnpike(start, hosts, dns, mailboxes):
    # No session is left over from the host before, which was well.
    return start(settings(hosts, dns, mailboxes, {"idle_timeout": "0s"}), LISTENERS)


class RawHost:
    """Plays `script(socket)` on each connection, then closes it."""

    def __init__(self, port, script, address="127.0.0.21"):
        self.script = script
        self.connections = 0
        self.socket = socket.create_server((address, port), backlog=64)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection:
            connection.settimeout(10)
            try:
                self.script(connection)
            except OSError:
                pass

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


def saying(*parts, close=True):
    """Greets, then answers each line of the client with the next part; bytes as they are."""
    def script(connection):
        file = connection.makefile("rb")
        for number, part in enumerate(parts):
            if number > 0:
                file.readline()
            connection.sendall(part)
        if not close:
            time.sleep(8)
    return script


EHLO = b"250-bad.remote.test\r\n250 8BITMIME\r\n"
ENDLESS = b"".join(b"250-and so on %d\r\n" % n for n in range(60000))  # more than a megabyte

RETRIED = {
    "closes_at_once": (lambda connection: None, "connect"),
    "greets_4xx": (saying(b"421 4.3.2 not now\r\n"), "remote_4xx"),
    "half_a_greeting": (saying(b"220 bad.remo"), "connect"),
    "half_a_greeting_and_silence": (saying(b"220 bad.remo", close=False), "timeout"),
    "silence": (lambda connection: time.sleep(8), "timeout"),
    "no_smtp": (saying(b"SSH-2.0-OpenSSH_9.2\r\n", close=False), "connect"),
    "binary": (saying(bytes(range(256)) * 4, close=False), "connect"),
    "code_changes": (saying(b"220-one\r\n250 two\r\n", close=False), "connect"),
    "unknown_code": (saying(b"999 what\r\n", close=False), "connect"),
    "intermediate_greeting": (saying(b"354 go ahead\r\n", close=False), "connect"),
    "megabyte_greeting": (saying(b"220-x\r\n" + ENDLESS.replace(b"250", b"220")), "connect"),
    "megabyte_line": (saying(b"220 " + b"x" * 1_500_000 + b"\r\n"), "connect"),
    "megabyte_ehlo": (saying(b"220 hi\r\n", ENDLESS), "connect"),
    "code_changes_in_ehlo": (saying(b"220 hi\r\n", b"250-one\r\n550 two\r\n", close=False), "connect"),
    "closes_after_mail": (saying(b"220 hi\r\n", EHLO), "connect"),
    "half_a_line_after_mail": (saying(b"220 hi\r\n", EHLO, b"250 o"), "connect"),
    "code_changes_in_rcpt": (saying(b"220 hi\r\n", EHLO, b"250 ok\r\n", b"250-a\r\n450 b\r\n",
                                    close=False), "connect"),
    "early_replies": (saying(b"220 hi\r\n250 before asked\r\n250 again\r\n" + EHLO, close=False),
                      None),
}


@pytest.mark.parametrize("kind", RETRIED)
def test_bad_host_means_a_retry_that_is_explained(turnpike, hosts, kind):
    script, reason = RETRIED[kind]
    domain = f"{kind.replace('_', '-')}.rough.remote.test"
    counted = lambda: turnpike.metric("outbound-delivery", "turnpike_delivery_failures_total",
                                      reason=reason)
    before = counted() if reason else 0
    with RawHost(hosts.port, script):
        send(turnpike, f"x@{domain}")
        delivery = attempts(turnpike, domain, timeout=30)
        outcome = delivery.last_outcomes[0]
        assert outcome.reply.code // 100 == 4 and outcome.reply.text, outcome
        assert len(outcome.reply.text) <= 2048
        if reason:
            assert counted() > before
        send(turnpike, f"{kind}@fine.remote.test")
        wait_for(lambda: hosts.taken(11, f"{kind}@fine.remote.test"))
    with Server(address="127.0.0.21", port=hosts.port) as healed:
        wait_for(lambda: healed.messages, timeout=30, what="delivery once the host is well")
    wait_for(lambda: not list_deliveries(turnpike, REMOTE, domain))


@pytest.mark.parametrize("kind", ["closes_at_once", "half_a_greeting", "no_smtp", "megabyte_ehlo",
                                  "code_changes"])
def test_bad_host_does_not_keep_mail_from_the_next_one(turnpike, hosts, kind):
    with RawHost(hosts.port, RETRIED[kind][0]):
        recipient = f"x@{kind.replace('_', '-')}.either.remote.test"
        send(turnpike, recipient)
        wait_for(lambda: hosts.taken(11, recipient), timeout=30)


@pytest.mark.parametrize("number, script", enumerate([
    saying(b"554 5.7.1 \xfc\xf6 go \x07 away\r\n"),
    saying(b"220 hi\r\n", b"550 5.7.1 \xfc\xf6 go \x07 away\r\n", b"550 5.7.1 go \xfc away\r\n",
           b"221 bye\r\n"),
    saying(b"220 hi\r\n", EHLO, b"550 5.7.1 \xfc\xf6 go \x07 away\r\n", b"221 bye\r\n"),
]))
def test_bad_host_that_refuses_in_8_bit_text_is_quoted_harmlessly(turnpike, hosts, number, script):
    with RawHost(hosts.port, script):
        send(turnpike, f"x@refuses{number}.rough.remote.test")
        fields, _ = status_fields(reports(turnpike)[0])
        assert "away" in fields[1]["Diagnostic-Code"]
        assert all(32 <= ord(char) < 127 for char in fields[1]["Diagnostic-Code"])


def test_bad_host_without_size_or_any_extension_gets_the_mail(turnpike, hosts):
    plain = lambda stage, text, session: (
        "500 what?" if stage == "helo" and text.startswith("EHLO") else None)
    with Server(plain, address="127.0.0.21", port=hosts.port) as old:
        send(turnpike, "x@old.rough.remote.test")
        [taken] = wait_for(lambda: old.messages)
        assert "SIZE" not in taken.mail and "BODY" not in taken.mail


def test_bad_host_whose_tls_breaks_is_tried_in_clear(turnpike, hosts):
    nonsense = lambda stage, text, session: b"220 go ahead\r\n" if "STARTTLS" in text else None
    with Server(nonsense, address="127.0.0.21", port=hosts.port, capabilities=["STARTTLS"]) as peer:
        send(turnpike, "x@tls.rough.remote.test")
        wait_for(lambda: peer.messages, timeout=30)
        assert peer.connections >= 2


def test_bad_host_that_answers_the_data_with_half_a_line_may_have_it(turnpike, hosts):
    """The fate is unknown: it is said so, and tried again."""
    def script(connection):
        file = connection.makefile("rb")
        connection.sendall(b"220 hi\r\n")
        for answer in (EHLO, b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n"):
            file.readline()
            connection.sendall(answer)
        while file.readline() not in (b".\r\n", b""):
            pass
        connection.sendall(b"250 2.0.0 I have")

    with RawHost(hosts.port, script):
        send(turnpike, "x@half.rough.remote.test")
        delivery = attempts(turnpike, "half.rough.remote.test")
        assert delivery.outcome_unknown or delivery.last_outcomes[0].disposition == 4
    with Server(address="127.0.0.21", port=hosts.port) as healed:
        wait_for(lambda: healed.messages, timeout=30)
