"""DQ-2, DQ-4, DQ-5: how much is held and for how long, for whom, and from whom."""

import email
import os
import time

import pytest

from gateways import (PASSWORD, atrn, gateway, queue_counts, submit, without_received)
from peers.process import wait_for
from peers.smtp import Client, Server, message


@pytest.fixture(scope="module")
def recipients_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("recipients") / "recipients"
    path.write_text("# who works there\nann@filed.test\nBob@alias.filed.test  # moved\n")
    return path


@pytest.fixture(scope="module")
def turnpike(start, recipients_file):
    return start(
        {
            "gateways": [
                gateway("few.test", hold={"max_messages": 3}),
                gateway("small.test", hold={"max_bytes": "20KB"}),
                gateway("free.test"),
                gateway("short.test", hold={"retention": "3s"}),
                gateway("listed.test", recipients=["ann@listed.test", "Bob@listed.test"]),
                gateway("filed.test", aliases=["alias.filed.test"],
                        recipients=["carl@filed.test"], recipients_file=str(recipients_file)),
                gateway("boss.test"),
                gateway("loose.test", senders_must_authenticate=False),
            ],
            "local_domains": [{"domain": "office.test", "mailbox_server": "127.0.0.1:1",
                               "accept_any_recipient": True}],
            "accounts": [{"address": "clerk@office.test", "password": "{PLAIN}" + PASSWORD}],
        },
        {"mx": {"role": "smtp", "allow_cleartext_auth": True}, "odmr": {"role": "odmr"}})


def rcpt(turnpike, recipients, sender="ann@sender.test"):
    """The replies to one RCPT each, within one transaction."""
    with Client(turnpike.ports["mx"]) as client:
        client.ehlo()
        client.ask(f"MAIL FROM:<{sender}>")
        return [client.ask(f"RCPT TO:<{recipient}>") for recipient in recipients]


def test_dq_02_over_the_quota_that_gateway_alone_gets_452(turnpike):
    submit(turnpike.ports["mx"], "few.test", 3)
    full, other = rcpt(turnpike, ["x@few.test", "x@free.test"])
    assert full.startswith("452 4.2.2") and other.startswith("250")
    assert queue_counts(turnpike, "few.test")[0] == 3
    assert turnpike.metric("auth-service", "turnpike_auth_refusals_total", rule="DQ-2") >= 1
    _, server = atrn(turnpike.ports["odmr"], "few.test")
    assert len(server.messages) == 3
    wait_for(lambda: rcpt(turnpike, ["x@few.test"])[0].startswith("250"), timeout=3)


def test_dq_02_octets_count_too(turnpike):
    submit(turnpike.ports["mx"], "small.test", 2, size=9_000)
    assert rcpt(turnpike, ["x@small.test"])[0].startswith("250"), "not reached yet"
    submit(turnpike.ports["mx"], "small.test", 1, size=9_000)
    assert rcpt(turnpike, ["x@small.test"])[0].startswith("452 4.2.2")


def test_dq_02_mail_held_too_long_is_returned_with_a_dsn(turnpike):
    """boss.test's mail server collects the notification."""
    [content] = submit(turnpike.ports["mx"], "short.test", sender="boss@boss.test",
                       as_gateway="boss.test")
    assert queue_counts(turnpike, "short.test")[0] == 1
    wait_for(lambda: queue_counts(turnpike, "short.test") == (0, 0, 0, 0), timeout=20,
             what="the end of the retention")
    _, server = atrn(turnpike.ports["odmr"], "boss.test")
    [returned] = server.messages
    assert returned.mail.split()[1] == "FROM:<>"
    assert returned.rcpts[0].split()[1] == "TO:<boss@boss.test>"
    report = email.message_from_bytes(without_received(returned.content)
                                      if returned.content.startswith(b"Received:")
                                      else returned.content)
    assert report.get_content_type() == "multipart/report"
    status = report.get_payload()[1].get_payload()[1]
    assert status["Final-Recipient"].replace(" ", "") == "rfc822;user1@short.test"
    assert status["Action"] == "failed" and status["Status"] == "5.4.7"
    assert b"Message-ID: <1.test@sender.test>" in returned.content
    assert turnpike.metric("gateway-dequeue", "turnpike_dequeue_expired_messages_total") == 1


def test_dq_02_the_null_sender_is_not_answered_and_a_4xx_does_not_count(turnpike):
    """What a session has kept by 4xx stays until the retention is over, not a moment less."""
    with Client(turnpike.ports["mx"]) as client:
        client.ehlo()
        assert client.mail("", ["x@short.test"], message(1)).startswith("250")
    begin = time.monotonic()
    refuse = Server(lambda stage, *rest: "450 4.2.1 busy" if stage == "rcpt" else None)
    atrn(turnpike.ports["odmr"], "short.test", refuse)
    assert queue_counts(turnpike, "short.test")[0] == 1
    wait_for(lambda: queue_counts(turnpike, "short.test") == (0, 0, 0, 0), timeout=20)
    assert time.monotonic() - begin > 2
    lines = [line for line in turnpike.log_lines("gateway-dequeue")
             if "held for too long, returned" in str(line)]
    assert lines and lines[-1]["report"] is False


def test_dq_04_unknown_recipients_get_550(turnpike):
    known, folded, unknown, postmaster = rcpt(
        turnpike, ["ann@listed.test", "BOB@Listed.test", "carl@listed.test",
                   "postmaster@listed.test"])
    assert known.startswith("250") and folded.startswith("250")
    assert unknown.startswith("550 5.1.1")
    assert postmaster.startswith("250")  # RFC 5321 4.5.1
    assert rcpt(turnpike, ["anybody@free.test"])[0].startswith("250")


def test_dq_04_the_file_is_read_again_when_it_changes(turnpike, recipients_file):
    assert [reply[:3] for reply in rcpt(turnpike, [
        "ann@filed.test", "bob@alias.filed.test", "bob@filed.test", "carl@filed.test"])] == [
            "250", "250", "550", "250"]
    recipients_file.write_text("dora@filed.test\n")
    wait_for(lambda: rcpt(turnpike, ["dora@filed.test"])[0].startswith("250"), timeout=10)
    wait_for(lambda: rcpt(turnpike, ["ann@filed.test"])[0].startswith("550 5.1.1"), timeout=10)
    # In one step, as a file of a Kubernetes ConfigMap is replaced.
    other = recipients_file.with_name("other")
    other.write_text("ann@filed.test\n")
    os.replace(other, recipients_file)
    wait_for(lambda: rcpt(turnpike, ["ann@filed.test"])[0].startswith("250"), timeout=10)
    # A wrong one changes nothing, and is told.
    recipients_file.write_text("no address\n")
    wait_for(lambda: any("the old one stays" in str(line) and "filed.test" in str(line)
                         for line in turnpike.log_lines("auth-service")), timeout=10)
    assert rcpt(turnpike, ["ann@filed.test"])[0].startswith("250")


def mail_from(turnpike, sender, login=None):
    with Client(turnpike.ports["mx"]) as client:
        client.ehlo()
        if login:
            assert client.auth_plain(login, PASSWORD).startswith("235")
        return client.ask(f"MAIL FROM:<{sender}>")


def test_dq_05_senders_in_the_gateways_domain_must_authenticate(turnpike):
    assert mail_from(turnpike, "boss@boss.test").startswith("530 5.7.0")
    assert mail_from(turnpike, "boss@boss.test", "boss.test").startswith("250")
    assert mail_from(turnpike, "anyone@loose.test").startswith("250")
    assert mail_from(turnpike, "", None).startswith("250")


def test_dq_05_another_gateway_is_refused_as_well(turnpike):
    assert mail_from(turnpike, "boss@boss.test", "free.test")[:3] in ("530", "553")
