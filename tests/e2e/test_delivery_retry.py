"""DL-4 and DL-5: the retry queue, its two steps with jitter, warning, expiry, parking, exceptions for
domains, and that a restart keeps every time."""

import time

import pytest

from delivery_site import (LISTENERS, attempts, dns, hosts, mailboxes, reports, send,  # noqa: F401
                           settings, status_fields, well_behaved)
from gateways import REMOTE, atrn, get_delivery, list_deliveries
from peers.process import wait_for

PARKED = 5  # turnpike.spool.v1.DeliveryState


def busy(hosts, note=None):
    def respond(stage, text, session):
        if stage != "rcpt":
            return None
        if note is not None:
            note.append(time.time())
        return "450 4.2.0 still busy"

    hosts.behaviour[11] = respond


def test_dl_05_defaults_are_five_minutes_then_four_hours(start, hosts, dns, mailboxes):
    turnpike = start(settings(hosts, dns, mailboxes, retry={}), LISTENERS)
    busy(hosts)
    send(turnpike, "x@later.remote.test")
    delivery = attempts(turnpike, "later.remote.test")
    wait = delivery.next_attempt_time.seconds - time.time()
    assert 260 < wait < 335, wait  # 5 m, 10 % either way


def test_dl_05_intervals_carry_jitter(start, hosts, dns, mailboxes):
    turnpike = start(settings(hosts, dns, mailboxes, retry={"first_interval": "10m"}), LISTENERS)
    busy(hosts)
    domains = ["later.remote.test", "busy.remote.test", "full.remote.test", "many.remote.test"]
    for number, domain in enumerate(domains * 3):
        send(turnpike, f"x{number}@{domain}")
    waits = set()
    for domain in domains:
        wait_for(lambda: all(d.attempts for d in list_deliveries(turnpike, REMOTE, domain)))
        for delivery in list_deliveries(turnpike, REMOTE, domain):
            waits.add(round(delivery.next_attempt_time.seconds - time.time()))
    assert all(530 < wait <= 661 for wait in waits), waits
    assert max(waits) - min(waits) > 10, "not all at one time"


def test_dl_05_the_long_interval_after_the_first_period(start, hosts, dns, mailboxes):
    turnpike = start(settings(hosts, dns, mailboxes, retry={
        "first_interval": "500ms", "first_period": "2s", "interval": "1h"}), LISTENERS)
    times = []
    busy(hosts, times)
    send(turnpike, "x@later.remote.test")
    wait_for(lambda: list_deliveries(turnpike, REMOTE, "later.remote.test")[0]
             .next_attempt_time.seconds - time.time() > 600, timeout=20)
    assert 3 <= len(times) <= 8, times
    delivery = list_deliveries(turnpike, REMOTE, "later.remote.test")[0]
    assert 3200 < delivery.next_attempt_time.seconds - times[-1] < 4000
    assert delivery.attempts == len(times)


def test_dl_05_a_restart_keeps_every_time(start, hosts, dns, mailboxes):
    turnpike = start(settings(hosts, dns, mailboxes, retry={
        "first_interval": "6s", "first_period": "1h", "interval": "6s", "warn_after": "1s",
        "expire_after": "12s"}), LISTENERS)
    times = []
    busy(hosts, times)
    begin = time.time()
    send(turnpike, "x@later.remote.test")
    before = attempts(turnpike, "later.remote.test")
    for service in ("outbound-delivery", "spool-store"):
        turnpike.kill(service)
    for service in ("spool-store", "outbound-delivery"):
        turnpike.restart(service)
    after = get_delivery(turnpike, before.delivery_id)
    assert after.next_attempt_time == before.next_attempt_time
    assert after.attempts == before.attempts
    assert after.last_outcomes[0].reply.text == before.last_outcomes[0].reply.text
    assert after.received_time == before.received_time
    assert len(times) == 1, "nothing is tried earlier"
    arrived = reports(turnpike, 2, timeout=40)
    actions = [status_fields(report)[0][1]["Action"] for report in arrived]
    assert actions == ["delayed", "failed"]
    assert times[1] >= before.next_attempt_time.seconds
    assert 11 < time.time() - begin < 25, "it expires when it would have"


def test_dl_05_the_sender_is_warned_once_over_a_restart(start, hosts, dns, mailboxes):
    turnpike = start(settings(hosts, dns, mailboxes, retry={
        "first_interval": "1s", "first_period": "1h", "interval": "1s", "warn_after": "1s"}),
        LISTENERS)
    busy(hosts)
    send(turnpike, "x@later.remote.test")
    reports(turnpike, 1)
    for service in ("outbound-delivery", "spool-store"):
        turnpike.kill(service)
    for service in ("spool-store", "outbound-delivery"):
        turnpike.restart(service)
    tried = list_deliveries(turnpike, REMOTE, "later.remote.test")[0].attempts
    wait_for(lambda: list_deliveries(turnpike, REMOTE, "later.remote.test")[0].attempts >= tried + 2)
    assert atrn(turnpike.ports["odmr"], "sender.test")[0].startswith("453")


def test_dl_05_no_warning_when_it_is_off(start, hosts, dns, mailboxes):
    turnpike = start(settings(hosts, dns, mailboxes, retry={
        "first_interval": "300ms", "first_period": "1h", "interval": "1s", "warn_after": "0s"}),
        LISTENERS)
    busy(hosts)
    send(turnpike, "x@later.remote.test")
    attempts(turnpike, "later.remote.test", 4)
    assert atrn(turnpike.ports["odmr"], "sender.test")[0].startswith("453")


@pytest.mark.parametrize("on_expire", ["return", "park"])
def test_dl_05_what_happens_at_the_end(start, hosts, dns, mailboxes, on_expire):
    turnpike = start(settings(hosts, dns, mailboxes, retry={
        "first_interval": "500ms", "first_period": "1h", "interval": "1s", "warn_after": "0s",
        "expire_after": "2s", "on_expire": on_expire}), LISTENERS)
    busy(hosts)
    send(turnpike, "x@later.remote.test")
    if on_expire == "return":
        fields, _ = status_fields(reports(turnpike)[0])
        assert fields[1]["Status"] == "4.4.7" and "still busy" in fields[1]["Diagnostic-Code"]
        wait_for(lambda: not list_deliveries(turnpike, REMOTE, "later.remote.test"))
        return
    parked = wait_for(lambda: [d for d in list_deliveries(turnpike, REMOTE, "later.remote.test")
                               if d.state == PARKED])[0]
    detail = get_delivery(turnpike, parked.delivery_id)
    assert b"still busy" in detail.last_outcomes[0].reply.text
    assert atrn(turnpike.ports["odmr"], "sender.test")[0].startswith("453"), "nobody is told"


def test_dl_05_domains_may_have_times_of_their_own(start, hosts, dns, mailboxes):
    turnpike = start(settings(hosts, dns, mailboxes, {"routes": [
        {"domains": ["busy.remote.test"], "retry": {
            "first_interval": "300ms", "warn_after": "0s", "expire_after": "1s",
            "on_expire": "park"}}]}, retry={"first_interval": "1h"}), LISTENERS)
    busy(hosts)
    send(turnpike, "x@busy.remote.test")
    send(turnpike, "x@later.remote.test")
    wait_for(lambda: [d.state for d in list_deliveries(turnpike, REMOTE, "busy.remote.test")]
             == [PARKED])
    delivery = attempts(turnpike, "later.remote.test")
    assert delivery.attempts == 1 and delivery.next_attempt_time.seconds - time.time() > 3000
