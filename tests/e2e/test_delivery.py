"""DL-1, DL-4, DL-5, DL-7, DL-34, DL-40 and DL-42 as far as one configuration shows them: real DNS
(Knot), scripted and real hosts."""

import re
import threading
import time

from delivery_site import (LISTENERS, dns, explain_route, hosts, login, mailboxes,  # noqa: F401
                           reports, send, settings, status_fields, turnpike, well_behaved)
from gateways import LOCAL, REMOTE, atrn, get_delivery, list_deliveries, without_received
from peers.process import free_port, wait_for
from peers.smtp import Server, message


def test_dl_01_the_preferred_mx_gets_the_mail(turnpike, hosts):
    content = send(turnpike, "x1@remote.test")
    [taken] = wait_for(lambda: hosts.taken(11, "x1@remote.test"))
    assert without_received(taken.content) == content
    assert taken.mail.split()[1] == "FROM:<ann@sender.test>"
    assert not hosts.taken(12, "x1@remote.test")


def test_dl_01_the_next_mx_when_the_first_refuses_connections(turnpike, hosts):
    hosts.behaviour[11] = lambda stage, text, session: "421 busy" if stage == "connect" else None
    send(turnpike, "x@fallback.remote.test")
    wait_for(lambda: hosts.taken(12, "x@fallback.remote.test"))


def test_dl_01_equal_preferences_share_the_load(turnpike, hosts):
    for number in range(24):
        send(turnpike, f"e{number}@equal.remote.test")
        time.sleep(0.05)
    count = lambda n: sum(1 for m in hosts.servers[n].messages if "@equal.remote.test" in m.rcpts[0])
    wait_for(lambda: count(13) + count(14) == 24)


def test_dl_01_no_mx_means_the_address(turnpike, hosts):
    send(turnpike, "a@nomx.remote.test")
    wait_for(lambda: hosts.taken(11, "a@nomx.remote.test"))


def test_dl_01_null_mx_is_returned_at_once(turnpike):
    send(turnpike, "a@null.remote.test")
    [report] = reports(turnpike)
    fields, _ = status_fields(report)
    assert fields[1]["Status"] == "5.1.10"


def test_dl_01_loops_to_ourselves_are_cut(turnpike, hosts):
    """Hosts with worse or equal preference than our own are left out."""
    send(turnpike, "a@self.remote.test")
    fields, _ = status_fields(reports(turnpike)[0])
    assert fields[1]["Status"] == "5.4.6"
    send(turnpike, "a@loop.remote.test")
    wait_for(lambda: list_deliveries(turnpike, REMOTE, "loop.remote.test")[0].attempts >= 1)
    assert not hosts.taken(11, "a@loop.remote.test")


def test_dl_01_an_unknown_domain_is_returned(turnpike):
    send(turnpike, "a@nowhere.remote.test")
    fields, _ = status_fields(reports(turnpike)[0])
    assert fields[1]["Status"] == "5.1.2" or fields[1]["Status"] == "5.4.4"


def test_dl_01_an_operator_can_ask_where_mail_would_go(turnpike, hosts):
    answer = explain_route(turnpike, "remote.test")
    assert [(hop.host, hop.address, hop.port, hop.preference) for hop in answer.hops] == [
        ("first.remote.test", "127.0.0.11", hosts.port, 10),
        ("second.remote.test", "127.0.0.12", hosts.port, 20)]
    assert explain_route(turnpike, "null.remote.test").failure.enhanced_code == "5.1.10"


def test_dl_04_what_cannot_be_delivered_now_is_tried_again(turnpike, hosts):
    hosts.behaviour[11] = lambda stage, text, session: "451 4.3.0 later" if stage == "rcpt" else None
    send(turnpike, "x@later.remote.test")
    delivery = wait_for(lambda: (lambda d: d[0] if d and d[0].attempts else None)(
        list_deliveries(turnpike, REMOTE, "later.remote.test")))
    detail = get_delivery(turnpike, delivery.delivery_id)
    assert b"later" in detail.last_outcomes[0].reply.text and detail.last_outcomes[0].host
    hosts.behaviour.clear()
    wait_for(lambda: hosts.taken(11, "x@later.remote.test"))


def test_dl_04_a_dns_server_that_is_down_means_retry(turnpike, hosts, dns):
    dns.stop()
    try:
        send(turnpike, "x@other.remote.test")
        wait_for(lambda: list_deliveries(turnpike, REMOTE, "other.remote.test")[0].attempts >= 1,
                 timeout=30)
    finally:
        dns.start()
    wait_for(lambda: hosts.taken(12, "x@other.remote.test"), timeout=30)


def test_dl_05_schedule_warning_and_expiry(start, hosts, dns, mailboxes):
    turnpike = start(settings(hosts, dns, mailboxes, retry={
        "first_interval": "500ms", "first_period": "2s", "interval": "1s", "warn_after": "2s",
        "expire_after": "6s"}), LISTENERS)
    times = []

    def busy(stage, text, session):
        if stage == "rcpt" and "expire" in text:
            times.append(time.monotonic())
            return "450 4.2.0 still busy"
        return None

    hosts.behaviour[11] = busy
    send(turnpike, "x@expire.remote.test")
    arrived = reports(turnpike, 2, timeout=30)
    actions = [status_fields(report)[0][1]["Action"] for report in arrived]
    assert actions == ["delayed", "failed"], "one warning, then the return"
    assert status_fields(arrived[1])[0][1]["Status"] in ("4.2.0", "4.4.7", "5.4.7")
    gaps = [b - a for a, b in zip(times, times[1:])]
    assert len(times) >= 4 and min(gaps) > 0.2
    assert max(gaps) > 0.7, "the second, longer interval is used after the first period"
    assert not list_deliveries(turnpike, REMOTE, "expire.remote.test")


def test_dl_05_expired_mail_can_be_parked(start, hosts, dns, mailboxes):
    turnpike = start(settings(hosts, dns, mailboxes, retry={
        "first_interval": "300ms", "first_period": "1s", "interval": "300ms", "warn_after": "0s",
        "expire_after": "1s", "on_expire": "park"}), LISTENERS)
    hosts.behaviour[11] = lambda stage, text, session: "450 busy" if stage == "rcpt" else None
    send(turnpike, "x@busy.remote.test")
    PARKED = 5
    wait_for(lambda: [d.state for d in list_deliveries(turnpike)
                      if d.queue.name == "busy.remote.test"] == [PARKED])


def test_dl_07_local_mail_goes_by_lmtp_each_recipient_answered(turnpike, mailboxes):
    content = send(turnpike, ["ann@office.test", "nobody@office.test"])
    taken = wait_for(lambda: [m for m in mailboxes.messages if "ann@office.test" in m.rcpts[0]])[0]
    assert without_received(taken.content) == content
    report = reports(turnpike)[0]
    fields, _ = status_fields(report)
    assert fields[1]["Final-Recipient"].endswith("nobody@office.test")
    assert any(line.startswith("LHLO") for line in mailboxes.transcripts[-1])
    wait_for(lambda: not list_deliveries(turnpike, LOCAL, "office.test"))


def test_dl_34_a_return_says_everything_and_comes_from_the_null_sender(turnpike, hosts):
    hosts.behaviour[11] = lambda stage, text, session: (
        "550-5.1.1 the first line\r\n550 5.1.1 has nobody of that name" if stage == "rcpt" else None)
    send(turnpike, "x@gone.remote.test", mail=" RET=HDRS ENVID=abc+2B1",
         rcpt=" ORCPT=rfc822;asked@gone.remote.test NOTIFY=FAILURE")
    [report] = reports(turnpike)
    fields, returned = status_fields(report)
    assert fields[0]["Reporting-MTA"].replace(" ", "") == "dns;gate.turnpike.test"
    assert fields[0]["Original-Envelope-Id"] == "abc+1"
    assert fields[1]["Original-Recipient"].replace(" ", "") == "rfc822;asked@gone.remote.test"
    assert fields[1]["Final-Recipient"].replace(" ", "") == "rfc822;x@gone.remote.test"
    assert fields[1]["Action"] == "failed" and fields[1]["Status"] == "5.1.1"
    assert "first.remote.test" in fields[1]["Remote-MTA"]
    assert "has nobody of that name" in fields[1]["Diagnostic-Code"]
    assert returned.get_content_type() in ("text/rfc822-headers", "message/rfc822-headers")
    assert "Subject: test 1" in returned.as_string()
    assert report["To"] and "ann@sender.test" in report["To"]
    assert report["Auto-Submitted"] == "auto-replied"


def test_dl_34_ret_full_gives_the_whole_message(turnpike, hosts):
    hosts.behaviour[11] = lambda stage, text, session: "550 5.1.1 no" if stage == "rcpt" else None
    send(turnpike, "x@gone.remote.test", mail=" RET=FULL")
    fields, returned = status_fields(reports(turnpike)[0])
    assert returned.get_content_type() == "message/rfc822"
    assert "Hello." in returned.as_string()


def test_dl_34_notify_never_and_the_null_sender_get_no_answer(turnpike, hosts):
    hosts.behaviour[11] = lambda stage, text, session: "550 5.1.1 no" if stage == "rcpt" else None
    send(turnpike, "quiet@gone.remote.test", rcpt=" NOTIFY=NEVER")
    with login(turnpike) as client:
        assert client.mail("", ["null@gone.remote.test"], message(1)).startswith("250")
    wait_for(lambda: not list_deliveries(turnpike, REMOTE, "gone.remote.test"))
    send(turnpike, "loud@gone.remote.test")
    arrived = reports(turnpike)
    assert len(arrived) == 1 and "loud@" in arrived[0].as_string()


def test_dl_34_success_is_reported_where_it_was_asked_for(turnpike, hosts):
    send(turnpike, "x@gone.remote.test", rcpt=" NOTIFY=SUCCESS")
    fields, _ = status_fields(reports(turnpike)[0])
    assert fields[1]["Action"] == "relayed", "the peer has no DSN"
    send(turnpike, "ann@office.test", rcpt=" NOTIFY=SUCCESS")
    fields, _ = status_fields(reports(turnpike)[0])
    assert fields[1]["Action"] == "delivered"


def test_dl_34_dsn_parameters_go_on_to_a_peer_that_has_dsn(start, hosts, dns, mailboxes):
    with Server(address="127.0.0.15", port=hosts.port, capabilities=["DSN", "PIPELINING"]) as peer:
        turnpike = start(settings(hosts, dns, mailboxes), LISTENERS)
        send(turnpike, "x@mta.test", mail=" RET=HDRS ENVID=e1", rcpt=" NOTIFY=SUCCESS,FAILURE")
        [taken] = wait_for(lambda: peer.messages)
        assert "RET=HDRS" in taken.mail and "ENVID=e1" in taken.mail
        assert "NOTIFY=SUCCESS,FAILURE" in taken.rcpts[0]
        assert atrn(turnpike.ports["odmr"], "sender.test")[0].startswith("453"), "the peer reports"


def test_dl_40_messages_for_one_host_share_connections(turnpike, hosts):
    before = hosts.servers[11].connections
    with login(turnpike) as client:
        for number in range(60):
            assert client.mail("ann@sender.test", [f"m{number}@many.remote.test"],
                               message(number)).startswith("250")
    wait_for(lambda: sum("@many.remote.test" in m.rcpts[0] for m in hosts.servers[11].messages) == 60)
    assert hosts.servers[11].connections - before <= 20
    batched = [lines for lines in hosts.servers[11].transcripts
               if sum(line.startswith("MAIL") for line in lines) > 1]
    assert batched, "no connection carried more than one message"


def test_dl_40_a_slow_destination_holds_up_nobody(turnpike, hosts):
    hosts.behaviour[12] = lambda stage, text, session: time.sleep(2.5) if stage == "connect" else None
    for number in range(5):
        send(turnpike, f"s{number}@slow.remote.test")
    begin = time.monotonic()
    send(turnpike, "quick@remote.test")
    wait_for(lambda: hosts.taken(11, "quick@remote.test"))
    assert not hosts.taken(12, "s0@slow.remote.test"), "the slow ones are still waiting"
    wait_for(lambda: len([m for m in hosts.servers[12].messages if "@slow." in m.rcpts[0]]) == 5)


def test_dl_42_a_killed_worker_loses_nothing(start, hosts, dns, mailboxes, tmp_path):
    """Two workers; one is killed -9 under load again and again."""
    turnpike = start(settings(hosts, dns, mailboxes), LISTENERS)
    config = tmp_path / "second.yaml"
    endpoints = {**turnpike.settings["services"], "outbound_delivery": {
        "listen": f"127.0.0.1:{free_port()}", "metrics_listen": f"127.0.0.1:{free_port()}"}}
    turnpike.write_config(config, {**turnpike.settings, "services": endpoints})
    turnpike.spawn("outbound-delivery", name="outbound-delivery-2", config=config)
    total = 400
    done = threading.Event()

    def submit_all():
        with login(turnpike) as client:
            for number in range(total):
                client.mail("ann@sender.test", [f"k{number}@many.remote.test"], message(number))
        done.set()

    hosts.behaviour[11] = lambda stage, text, session: time.sleep(0.01) if stage == "end" else None
    thread = threading.Thread(target=submit_all)
    thread.start()
    kills = 0
    while not done.is_set() and kills < 4:
        time.sleep(0.4)
        turnpike.kill("outbound-delivery-2")
        turnpike.spawn("outbound-delivery", name="outbound-delivery-2", config=config)
        kills += 1
    thread.join()

    def taken():
        found = {}
        for taken in hosts.servers[11].messages:
            match = re.search(r"<(k\d+)@many", taken.rcpts[0])
            if match:
                found[match.group(1)] = found.get(match.group(1), 0) + 1
        return found

    wait_for(lambda: len(taken()) == total, timeout=60, what="every message")
    wait_for(lambda: not list_deliveries(turnpike, REMOTE, "many.remote.test"), timeout=30)
    doubled = sum(count - 1 for count in taken().values())
    assert doubled <= kills * 20, f"{doubled} more copies than the killed workers had in flight"


def test_dl_01_a_real_mta_takes_outbound_mail(start, start_postfix, hosts, dns, mailboxes):
    mta = start_postfix(["mta.test"], address="127.0.0.15", port=hosts.port)
    turnpike = start(settings(hosts, dns, mailboxes), LISTENERS)
    contents = [send(turnpike, f"u{n}@mta.test", number=n) for n in range(5)]
    arrived = mta.wait_messages(5)
    assert sorted(m.original() for m in arrived) == sorted(c.replace(b"\r\n", b"\n") for c in contents)
