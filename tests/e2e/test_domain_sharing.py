"""AU-3, AU-20: other servers of our domains are asked whether an address exists there."""

import socket
import threading
import time

import pytest

from gateways import PASSWORD
from peers.process import free_port, wait_for
from peers.smtp import Client, Server

OURS, THEIRS = "ann@office.test", "tom@office.test"


def knows(*addresses):
    """A server that takes mail for these only."""

    def respond(stage, text, session):
        if stage == "mail" and not text.upper().startswith("MAIL FROM:<>"):
            return "550 5.7.1 only questions"
        if stage == "rcpt" and not any(f"<{address}>" in text.lower() for address in addresses):
            return "550 5.1.1 who?"
        if stage == "data":
            return "554 5.7.1 only questions"
        return None

    return respond


def site(hosts, **more):
    return {
        "local_domains": [{"domain": "office.test", "mailbox_server": "127.0.0.1:1"}],
        "accounts": [{"address": OURS, "password": "{PLAIN}" + PASSWORD}],
        "domain_sharing": {"hosts": hosts, "timeout": "2s", "cache_time": "3s",
                           "negative_cache_time": "1s", **more}}


def mail_from(turnpike, sender):
    with Client(turnpike.ports["mx"]) as client:
        client.ehlo()
        return client.ask(f"MAIL FROM:<{sender}>")


@pytest.fixture(scope="module")
def smtp_host():
    with Server(knows(THEIRS), capabilities=["PIPELINING", "CHUNKING", "8BITMIME"]) as server:
        yield server


@pytest.fixture(scope="module")
def lmtp_host():
    with Server(knows("lia@office.test"), lmtp=True) as server:
        yield server


@pytest.fixture(scope="module")
def turnpike(start, smtp_host, lmtp_host):
    return start(site([{"server": f"127.0.0.1:{smtp_host.port}"},
                       {"server": f"127.0.0.1:{lmtp_host.port}", "lmtp": True}]))


def commands(server):
    return [line for lines in server.transcripts for line in lines]


def test_au_20_addresses_on_other_servers_are_found_by_smtp_and_lmtp(turnpike, smtp_host,
                                                                     lmtp_host):
    assert mail_from(turnpike, THEIRS).startswith("250")
    assert mail_from(turnpike, "lia@office.test").startswith("250")
    assert mail_from(turnpike, "nobody@office.test").startswith("530 5.7.0")
    # Asked with a null sender, and nothing is sent.
    for server, hello in ((smtp_host, "EHLO"), (lmtp_host, "LHLO")):
        said = wait_for(lambda: commands(server), what="a question")
        assert any(line.startswith(hello) for line in said)
        assert f"RCPT TO:<{THEIRS}>" in said
        assert {line for line in said if line.startswith("MAIL")} == {"MAIL FROM:<>"}
        assert not any(line.startswith(("DATA", "BDAT")) for line in said)
        assert server.messages == []


def test_au_20_answers_are_remembered_for_their_time(turnpike, smtp_host):
    assert mail_from(turnpike, THEIRS).startswith("250")
    connections = smtp_host.connections
    for _ in range(5):
        assert mail_from(turnpike, THEIRS).startswith("250")
        assert mail_from(turnpike, THEIRS.upper()).startswith("250")
    assert smtp_host.connections == connections
    time.sleep(3.2)
    assert mail_from(turnpike, THEIRS).startswith("250")
    assert smtp_host.connections == connections + 1
    assert turnpike.metric("auth-service", "turnpike_auth_sharing_answers_total",
                           result="remembered") >= 1


def test_au_20_a_new_address_is_found_soon(start):
    present = []
    with Server(lambda stage, text, session: knows(*present)(stage, text, session)) as host:
        turnpike = start(site([{"server": f"127.0.0.1:{host.port}"}]))
        assert mail_from(turnpike, THEIRS).startswith("530")
        present.append(THEIRS)
        wait_for(lambda: mail_from(turnpike, THEIRS).startswith("250"), 5, interval=0.2,
                 what="the new address")


def test_au_20_a_server_that_does_not_answer_counts_as_not_found(start):
    silent = socket.create_server(("127.0.0.1", 0))
    hosts = [{"server": f"127.0.0.1:{silent.getsockname()[1]}"},
             {"server": f"127.0.0.1:{free_port()}"},
             {"server": "no-such-host.invalid:25"}]
    turnpike = start(site(hosts))
    begin = time.monotonic()
    assert mail_from(turnpike, THEIRS).startswith("530 5.7.0")
    assert time.monotonic() - begin < 4
    wait_for(lambda: turnpike.metric("auth-service", "turnpike_auth_sharing_answers_total",
                                     result="no_answer") >= 3, what="the count")
    silent.close()


@pytest.mark.parametrize("stage, answer", [
    ("connect", "554 5.7.1 go away"), ("connect", "421 busy"), ("connect", "HTTP/1.1 200 OK"),
    ("helo", "502 no"), ("mail", "550 5.7.1 not from you"), ("rcpt", "450 4.2.0 later"),
    ("rcpt", "354 what?"), ("rcpt", Server.CLOSE), ("rcpt", "250-" + "x" * 3000)])
def test_au_20_odd_servers_count_as_not_found(start, stage, answer):
    def respond(at, text, session):
        return answer if at == stage else None

    with Server(respond) as host:
        turnpike = start(site([{"server": f"127.0.0.1:{host.port}"}]))
        assert mail_from(turnpike, THEIRS).startswith("530 5.7.0")


def test_au_20_one_silent_server_does_not_hide_the_other(start):
    silent = socket.create_server(("127.0.0.1", 0))
    with Server(knows(THEIRS)) as host:
        turnpike = start(site([{"server": f"127.0.0.1:{silent.getsockname()[1]}"},
                               {"server": f"127.0.0.1:{host.port}"}]))
        begin = time.monotonic()
        assert mail_from(turnpike, THEIRS).startswith("250")
        assert time.monotonic() - begin < 1.5
    silent.close()


def test_au_20_questions_at_one_time_are_bounded_and_others_do_not_wait(start):
    silent = socket.create_server(("127.0.0.1", 0), backlog=512)
    turnpike = start({**site([{"server": f"127.0.0.1:{silent.getsockname()[1]}"}], timeout="3s"),
                      "smtp": {"connections_per_address_max": 500}})
    answers = []
    threads = [threading.Thread(target=lambda number=number: answers.append(
        mail_from(turnpike, f"user{number}@office.test")[:9])) for number in range(80)]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    begin = time.monotonic()
    assert mail_from(turnpike, "x@elsewhere.test").startswith("250")
    assert time.monotonic() - begin < 1
    for thread in threads:
        thread.join()
    assert set(answers) == {"530 5.7.0"}, answers
    assert turnpike.metric("auth-service", "turnpike_auth_sharing_answers_total",
                           result="dropped") >= 1
    silent.close()


def test_au_3_the_switch_turns_it_off(start, smtp_host):
    turnpike = start({**site([{"server": f"127.0.0.1:{smtp_host.port}"}]),
                      "auth": {"shared_domain_senders_exempt": False}})
    assert mail_from(turnpike, THEIRS).startswith("530 5.7.0")


def test_au_3_our_own_accounts_are_not_exempt(turnpike):
    assert mail_from(turnpike, OURS).startswith("530 5.7.0")
