"""DL-34: delivery status notifications by RFC 3461, 3464 and 6533, read by Python's own parser and
checked field by field."""

import email
import email.policy
import email.utils
import re
import time

import pytest

from delivery_site import (LISTENERS, dns, hosts, login, mailboxes, reports, send,  # noqa: F401
                           settings, status_fields, turnpike, well_behaved)
from gateways import REMOTE, atrn, list_deliveries
from peers.process import wait_for
from peers.smtp import Client, Server, message

# [RFC3464 2.2] and 2.3, as far as they are ours to write; in the order of the RFC's grammar.
MESSAGE_FIELDS = {"original-envelope-id": 1, "reporting-mta": 1, "arrival-date": 1}
RECIPIENT_FIELDS = {"original-recipient": 1, "final-recipient": 1, "action": 1, "status": 1,
                    "remote-mta": 1, "diagnostic-code": 1, "last-attempt-date": 1,
                    "will-retry-until": 1}
ACTIONS = {"failed": "[45]", "delayed": "4", "delivered": "2", "relayed": "2"}


def check_form(report, raw=None):
    """Everything that RFC 3464 says of any report; the fields of the message and of the recipients."""
    fields, returned = status_fields(report)
    assert report["MIME-Version"] == "1.0"
    assert email.utils.parseaddr(report["From"])[1] == "mailer-daemon@gate.turnpike.test"
    assert email.utils.parsedate_to_datetime(report["Date"])
    assert re.fullmatch(r"<[^<>@\s]+@gate\.turnpike\.test>", report["Message-ID"])
    assert report["Auto-Submitted"] == "auto-replied"
    whole, *recipients = fields
    assert recipients
    for part, known in [(whole, MESSAGE_FIELDS)] + [(one, RECIPIENT_FIELDS) for one in recipients]:
        names = [name.lower() for name in part.keys()]
        assert set(names) <= set(known) and len(names) == len(set(names)), names
        assert sorted(names, key=list(known).index) == names, "in the order of the grammar"
    assert re.fullmatch(r"dns; ?gate\.turnpike\.test", whole["Reporting-MTA"])
    arrival = email.utils.parsedate_to_datetime(whole["Arrival-Date"])
    for one in recipients:
        assert re.fullmatch(r"(rfc822|utf-8); ?\S+@\S+", one["Final-Recipient"])
        action = one["Action"].lower()
        assert re.fullmatch(ACTIONS[action] + r"\.\d{1,3}\.\d{1,3}", one["Status"])
        assert re.match(r"(smtp; ?\d{3}[ -]|x-turnpike; ?)", one["Diagnostic-Code"])
        assert ("Remote-MTA" in one) == one["Diagnostic-Code"].startswith("smtp")
        last = email.utils.parsedate_to_datetime(one["Last-Attempt-Date"])
        assert last >= arrival
        assert ("Will-Retry-Until" in one) == (action == "delayed")
    return whole, recipients, returned


def refuse(hosts, reply="550 5.1.1 nobody of that name", only="", stage_of="rcpt"):
    hosts.behaviour[11] = lambda stage, text, session: (
        reply if stage == stage_of and only in text else None)


def test_dl_34_the_form_of_a_return(turnpike, hosts):
    refuse(hosts)
    begin = time.time()
    send(turnpike, ["x@gone.remote.test", "y@gone.remote.test"], mail=" RET=HDRS ENVID=QQ+2B314159",
         rcpt=" NOTIFY=FAILURE,DELAY")
    [report] = reports(turnpike)
    whole, recipients, returned = check_form(report)
    assert whole["Original-Envelope-Id"] == "QQ+314159"
    assert abs(email.utils.parsedate_to_datetime(whole["Arrival-Date"]).timestamp() - begin) < 10
    assert [one["Final-Recipient"].split(";")[1].strip() for one in recipients] == [
        "x@gone.remote.test", "y@gone.remote.test"]
    for one in recipients:
        assert one["Action"] == "failed" and one["Status"] == "5.1.1"
        assert re.fullmatch(r"dns; ?first\.remote\.test", one["Remote-MTA"])
        assert re.fullmatch(r"smtp; ?550 5\.1\.1 nobody of that name", one["Diagnostic-Code"])
        assert "Original-Recipient" not in one
    assert returned.get_content_type() == "text/rfc822-headers"
    assert "Hello." not in returned.get_content()
    people = next(report.iter_parts()).get_content()
    assert "x@gone.remote.test" in people and "nobody of that name" in people


@pytest.mark.parametrize("parameters, returned_type", [
    (" RET=FULL", "message/rfc822"), (" RET=HDRS", "text/rfc822-headers"),
    ("", "text/rfc822-headers")])
def test_dl_34_ret_decides_what_is_returned(turnpike, hosts, parameters, returned_type):
    refuse(hosts)
    content = send(turnpike, "x@gone.remote.test", mail=parameters)
    _, _, returned = check_form(reports(turnpike)[0])
    assert returned.get_content_type() == returned_type
    if returned_type == "message/rfc822":
        [original] = returned.iter_parts() if returned.is_multipart() else [returned]
        assert original.get_content().replace("\r\n", "\n") == "Hello.\n"
        assert b"Subject: test 1" in content


def test_dl_34_envid_and_orcpt_come_back_as_they_were_given(turnpike, hosts):
    refuse(hosts)
    send(turnpike, "x@gone.remote.test", mail=" ENVID=a+3Db+20c",
         rcpt=" ORCPT=rfc822;first+2Blast@old.test NOTIFY=FAILURE")
    whole, [one], _ = check_form(reports(turnpike)[0])
    assert whole["Original-Envelope-Id"] == "a=b c"
    assert re.fullmatch(r"rfc822; ?first\+last@old\.test", one["Original-Recipient"])
    assert one["Final-Recipient"].endswith("x@gone.remote.test")


@pytest.mark.parametrize("notify, failure_reported", [
    ("", True), (" NOTIFY=FAILURE", True), (" NOTIFY=DELAY", False), (" NOTIFY=NEVER", False),
    (" NOTIFY=SUCCESS", False), (" NOTIFY=SUCCESS,FAILURE", True)])
def test_dl_34_notify_decides_who_hears_of_a_failure(turnpike, hosts, notify, failure_reported):
    refuse(hosts)
    send(turnpike, "x@gone.remote.test", rcpt=notify)
    wait_for(lambda: not list_deliveries(turnpike, REMOTE, "gone.remote.test"))
    if failure_reported:
        check_form(reports(turnpike)[0])
    else:
        time.sleep(0.5)
        reply, server = atrn(turnpike.ports["odmr"], "sender.test")
        assert reply.startswith("453") and not server.messages


def test_dl_34_only_those_who_want_to_hear_stand_in_the_report(turnpike, hosts):
    refuse(hosts)
    with login(turnpike) as client:
        client.ask("MAIL FROM:<ann@sender.test>")
        client.ask("RCPT TO:<quiet@gone.remote.test> NOTIFY=NEVER")
        client.ask("RCPT TO:<loud@gone.remote.test> NOTIFY=FAILURE")
        client.ask("DATA")
        assert client.ask(message(1) + b".\r\n").startswith("250")
    _, [one], _ = check_form(reports(turnpike)[0])
    assert "loud@" in one["Final-Recipient"]


def test_dl_34_the_delayed_warning(start, hosts, dns, mailboxes):
    turnpike = start(settings(hosts, dns, mailboxes, retry={
        "first_interval": "1s", "first_period": "1h", "interval": "1s", "warn_after": "1s",
        "expire_after": "1h"}), LISTENERS)
    refuse(hosts, "451 4.3.2 come back later")
    send(turnpike, "x@later.remote.test", mail=" RET=FULL")
    [report] = reports(turnpike, timeout=30)
    _, [one], returned = check_form(report)
    assert one["Action"] == "delayed" and one["Status"] == "4.3.2"
    until = email.utils.parsedate_to_datetime(one["Will-Retry-Until"]).timestamp()
    assert 3500 < until - time.time() < 3700
    assert returned.get_content_type() == "text/rfc822-headers", "RET concerns failures"
    hosts.behaviour.clear()
    wait_for(lambda: hosts.taken(11, "x@later.remote.test"))
    time.sleep(1.5)
    assert atrn(turnpike.ports["odmr"], "sender.test")[0].startswith("453"), "told once"


@pytest.mark.parametrize("notify, told", [(" NOTIFY=FAILURE", False), (" NOTIFY=DELAY", True)])
def test_dl_34_notify_decides_who_hears_of_a_delay(start, hosts, dns, mailboxes, notify, told):
    turnpike = start(settings(hosts, dns, mailboxes, retry={
        "first_interval": "500ms", "first_period": "1h", "interval": "1s", "warn_after": "500ms"}),
        LISTENERS)
    refuse(hosts, "451 4.3.2 come back later")
    send(turnpike, "x@later.remote.test", rcpt=notify)
    if told:
        assert check_form(reports(turnpike, timeout=20)[0])[1][0]["Action"] == "delayed"
    else:
        wait_for(lambda: list_deliveries(turnpike, REMOTE, "later.remote.test")[0].attempts >= 4)
        assert atrn(turnpike.ports["odmr"], "sender.test")[0].startswith("453")


def test_dl_34_success_is_told_as_relayed_where_the_peer_has_no_dsn(turnpike, hosts):
    send(turnpike, "x@gone.remote.test", rcpt=" NOTIFY=SUCCESS")
    _, [one], _ = check_form(reports(turnpike)[0])
    assert one["Action"] == "relayed" and one["Status"].startswith("2.")
    assert "first.remote.test" in one["Remote-MTA"]


def test_dl_34_success_is_told_as_delivered_by_the_mailbox_server(turnpike):
    send(turnpike, "ann@office.test", rcpt=" NOTIFY=SUCCESS")
    _, [one], _ = check_form(reports(turnpike)[0])
    assert one["Action"] == "delivered"


def test_dl_34_a_peer_with_dsn_is_told_everything_and_reports_itself(start, hosts, dns, mailboxes):
    with Server(address="127.0.0.15", port=hosts.port, capabilities=["DSN"]) as peer:
        turnpike = start(settings(hosts, dns, mailboxes), LISTENERS)
        send(turnpike, "x@mta.test", mail=" RET=FULL ENVID=e+2B1",
             rcpt=" NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;y@old.test")
        [taken] = wait_for(lambda: peer.messages)
        assert "RET=FULL" in taken.mail and "ENVID=e+2B1" in taken.mail
        assert "ORCPT=rfc822;y@old.test" in taken.rcpts[0]
        notify = re.search(r"NOTIFY=(\S+)", taken.rcpts[0]).group(1)
        assert set(notify.split(",")) == {"SUCCESS", "FAILURE", "DELAY"}
        time.sleep(0.5)
        assert atrn(turnpike.ports["odmr"], "sender.test")[0].startswith("453")
        peer.respond = lambda stage, text, session: "550 5.1.1 no" if stage == "rcpt" else None
        send(turnpike, "z@mta.test", rcpt=" NOTIFY=FAILURE")
        _, [one], _ = check_form(reports(turnpike)[0])
        assert one["Action"] == "failed", "what it refused is ours to report"


def test_dl_34_the_null_sender_is_never_answered(turnpike, hosts):
    refuse(hosts)
    with login(turnpike) as client:
        assert client.mail("", ["x@gone.remote.test"], message(1)).startswith("250")
    wait_for(lambda: not list_deliveries(turnpike, REMOTE, "gone.remote.test"))
    time.sleep(0.5)
    assert not list_deliveries(turnpike)


def test_dl_34_a_report_that_cannot_be_delivered_makes_no_other(turnpike, hosts):
    """The sender's own domain refuses the report."""
    refuse(hosts)
    with Client(turnpike.ports["mx"]) as client:
        client.ehlo()
        assert client.mail("someone@gone.remote.test", ["x@gone.remote.test"],
                           message(1)).startswith("250")
    wait_for(lambda: not list_deliveries(turnpike))
    offered = [line for lines in hosts.servers[11].transcripts for line in lines
               if line.startswith("RCPT TO:<someone@gone.remote.test>")]
    assert len(offered) == 1


def test_dl_34_the_remote_hosts_words_are_kept_and_harmless(turnpike, hosts):
    refuse(hosts, b"550-5.7.1 first \x01\x1b[31m line\r\n550-5.7.1 \xe4\xf6\xfc 8-bit\r\n"
                  b"550 5.7.1 see <https://help.test/?a=b;c>\r\n")
    send(turnpike, "x@gone.remote.test")
    _, [one], _ = check_form(reports(turnpike)[0])
    text = one["Diagnostic-Code"]
    assert "first" in text and "8-bit" in text and "https://help.test/?a=b;c" in text
    assert all(32 <= ord(char) < 127 for char in text)


def test_dl_34_utf8_addresses_are_reported_by_rfc_6533(start, hosts, dns, mailboxes):
    with Server(address="127.0.0.15", port=hosts.port,
                capabilities=["SMTPUTF8", "8BITMIME"]) as peer:
        peer.respond = lambda stage, text, session: "550 5.1.1 no" if stage == "rcpt" else None
        turnpike = start(settings(hosts, dns, mailboxes), LISTENERS)
        send(turnpike, "jürgen@mta.test", mail=" SMTPUTF8 BODY=8BITMIME")
        collected = []

        def collect():
            _, server = atrn(turnpike.ports["odmr"], "sender.test",
                             Server(capabilities=["SMTPUTF8", "8BITMIME"]))
            collected.extend(m.content for m in server.messages)
            return collected

        [raw] = wait_for(collect, 20, interval=0.3)
        report = email.message_from_bytes(raw, policy=email.policy.default)
        assert report.get_param("report-type") == "delivery-status"
        _, status, returned = report.iter_parts()
        assert status.get_content_type() == "message/global-delivery-status"
        assert returned.get_content_type() == "message/global-headers"
        text = raw.decode("utf-8")
        assert re.search(r"(?m)^Final-Recipient: utf-8; ?jürgen@mta\.test\r$", text)
        assert re.search(r"(?m)^Action: failed\r$", text)
        assert re.search(r"(?m)^Status: 5\.1\.1\r$", text)


def test_dl_34_no_line_of_a_report_is_too_long_or_broken(turnpike, hosts):
    refuse(hosts, "\r\n".join([f"550-5.7.1 {'long words ' * 40}"] * 20 + ["550 5.7.1 end"]))
    content = (b"From: ann@sender.test\r\nSubject: " + b"very long " * 90 + b"\r\nX-Other: 1\r\n\r\nbody\r\n")
    send(turnpike, "x@gone.remote.test", content=content)
    collected = []

    def collect():
        _, server = atrn(turnpike.ports["odmr"], "sender.test")
        collected.extend(m.content for m in server.messages)
        return collected

    [raw] = wait_for(collect, 20, interval=0.3)
    assert max(len(line) for line in raw.split(b"\r\n")) <= 998
    assert b"\0" not in raw and not re.search(rb"\r[^\n]|[^\r]\n", raw)
