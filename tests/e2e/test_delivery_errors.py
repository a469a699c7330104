"""DL-30 to DL-33: each switch in both positions, towards MX hosts and towards a smart host, with
hosts that answer differently."""

import pytest

from delivery_site import (LISTENERS, attempts, dns, hosts, mailboxes, reports, send,  # noqa: F401
                           settings, status_fields, well_behaved)
from gateways import REMOTE, list_deliveries
from peers.dns import Dns
from peers.process import wait_for

ZONES = {
    "remote.test":
        "first 60 A 127.0.0.11\nsecond 60 A 127.0.0.12\nthird 60 A 127.0.0.13\n"
        "absent 60 A 127.0.0.98\n"
        "two 60 MX 10 first\ntwo 60 MX 20 second\n"
        "three 60 MX 10 first\nthree 60 MX 20 second\nthree 60 MX 30 third\n"
        "onegone 60 MX 10 first\nonegone 60 MX 20 absent\n"
        "relay 60 MX 10 first\nrelay 60 MX 20 second\n"
        "nomx 60 A 127.0.0.11\nneither 60 TXT nothing\n",
}
# How the mail reaches the hosts: as the recipients' domain, or as the MX hosts of a smart host.
WAYS = ["mx", "smart_host"]


@pytest.fixture(scope="module")
def dns(tmp_path_factory):  # noqa: F811
    with Dns(tmp_path_factory.mktemp("dns"), ZONES) as server:
        yield server


@pytest.fixture(scope="module")
def site(start, hosts, dns, mailboxes):
    """A Turnpike for each combination of switches, started when it is first asked for."""
    running = {}

    def get(way, **switches):
        key = (way, *sorted(switches.items()))
        if key not in running:
            mode = {} if way == "mx" else {
                "mode": "smart_host",
                "smart_host": {"host": "relay.remote.test", "use_mx": True, "port": hosts.port}}
            running[key] = start(settings(hosts, dns, mailboxes, {**mode, **switches}), LISTENERS)
        return running[key]

    return get


def domain_of(way, name="two"):
    return f"{name}.remote.test" if way == "mx" else "anywhere.test"


def answers(reply, at="rcpt", only=""):
    return lambda stage, text, session: reply if stage == at and only in text else None


def gone(turnpike, domain):
    wait_for(lambda: not list_deliveries(turnpike, REMOTE, domain))


# ------------------------------------------------------------------------------------------ DL-30

@pytest.mark.parametrize("way", WAYS)
def test_dl_30_off_only_the_refused_recipient_is_returned(site, hosts, way):
    turnpike, domain = site(way), domain_of(way)
    hosts.behaviour[11] = answers("550 5.1.1 unknown", only="bad@")
    send(turnpike, [f"good30@{domain}", f"bad@{domain}"])
    [taken] = wait_for(lambda: hosts.taken(11, f"good30@{domain}"))
    assert len(taken.rcpts) == 1
    fields, _ = status_fields(reports(turnpike)[0])
    assert len(fields) == 2 and f"bad@{domain}" in fields[1]["Final-Recipient"]


@pytest.mark.parametrize("way", WAYS)
def test_dl_30_on_one_refused_recipient_returns_all_on_that_host(site, hosts, way):
    turnpike, domain = site(way, abort_on_rcpt_5xx=True), domain_of(way)
    hosts.behaviour[11] = answers("550 5.1.1 unknown", only="bad@")
    send(turnpike, [f"fine@{domain}", f"bad@{domain}", f"other@{domain}"])
    fields, _ = status_fields(reports(turnpike)[0])
    returned = {field["Final-Recipient"].split(";")[1].strip() for field in fields[1:]}
    assert returned == {f"fine@{domain}", f"bad@{domain}", f"other@{domain}"}
    assert not hosts.taken(11, f"fine@{domain}") and not hosts.taken(12, f"fine@{domain}")
    gone(turnpike, domain)


# ------------------------------------------------------------------------------------------ DL-31

def test_dl_31_off_a_domain_without_mx_gets_its_mail_at_its_address(site, hosts):
    turnpike = site("mx")
    send(turnpike, "x31@nomx.remote.test")
    wait_for(lambda: hosts.taken(11, "x31@nomx.remote.test"))
    send(turnpike, "x31@neither.remote.test")
    fields, _ = status_fields(reports(turnpike)[0])
    assert fields[1]["Status"] == "5.4.4"


def test_dl_31_on_a_domain_without_mx_is_returned_at_once(site, hosts):
    turnpike = site("mx", bounce_if_no_mx=True)
    send(turnpike, "back@nomx.remote.test")
    fields, _ = status_fields(reports(turnpike)[0])
    assert fields[1]["Status"] == "5.4.4" and "no MX" in fields[1]["Diagnostic-Code"]
    assert not hosts.taken(11, "back@nomx.remote.test")
    send(turnpike, "on@two.remote.test")
    wait_for(lambda: hosts.taken(11, "on@two.remote.test"))


@pytest.mark.parametrize("value", [False, True])
def test_dl_31_a_dns_failure_is_no_answer(site, value):
    """A zone that the server does not have: it refuses to say."""
    turnpike = site("mx", bounce_if_no_mx=value)
    send(turnpike, "x@not-its-zone.elsewhere")
    delivery = attempts(turnpike, "not-its-zone.elsewhere")
    assert delivery.last_outcomes[0].reply.enhanced_code == "4.4.3"


# ------------------------------------------------------------------------------------------ DL-32

@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("stage", ["connect", "mail", "rcpt", "end"])
def test_dl_32_on_the_first_5xx_ends_it(site, hosts, way, stage):
    turnpike, domain = site(way), domain_of(way)
    hosts.behaviour[11] = answers("554 5.7.1 refused here", at=stage)
    send(turnpike, f"{stage}32@{domain}")
    fields, _ = status_fields(reports(turnpike)[0])
    assert "refused here" in fields[1]["Diagnostic-Code"]
    assert "first.remote.test" in fields[1]["Remote-MTA"]
    assert not hosts.taken(12, f"{stage}32@{domain}")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("stage", ["connect", "mail", "rcpt", "end"])
def test_dl_32_off_the_other_hosts_are_tried(site, hosts, way, stage):
    turnpike, domain = site(way, bounce_on_first_5xx=False), domain_of(way)
    hosts.behaviour[11] = answers("554 5.7.1 refused here", at=stage)
    send(turnpike, f"{stage}-off@{domain}")
    wait_for(lambda: hosts.taken(12, f"{stage}-off@{domain}"))
    gone(turnpike, domain)


def test_dl_32_off_returned_only_when_every_host_refused(site, hosts):
    turnpike = site("mx", bounce_on_first_5xx=False)
    for number, word in ((11, "one"), (12, "two"), (13, "three")):
        hosts.behaviour[number] = answers(f"550 5.7.1 {word} refuses")
    send(turnpike, "all@three.remote.test")
    fields, _ = status_fields(reports(turnpike)[0])
    assert "one refuses" in fields[1]["Diagnostic-Code"], "the best host's words"
    assert all(any("all@three" in line for lines in hosts.servers[n].transcripts for line in lines)
               for n in (11, 12, 13)), "every host was asked"


def test_dl_32_off_a_4xx_of_any_host_means_another_time(site, hosts):
    turnpike = site("mx", bounce_on_first_5xx=False)
    hosts.behaviour[11] = answers("550 5.7.1 refused")
    hosts.behaviour[12] = answers("450 4.2.0 greylisted")
    hosts.behaviour[13] = answers("550 5.7.1 refused")
    send(turnpike, "later@three.remote.test")
    delivery = attempts(turnpike, "three.remote.test")
    assert b"greylisted" in delivery.last_outcomes[0].reply.text
    hosts.behaviour.clear()
    wait_for(lambda: hosts.taken(11, "later@three.remote.test"))


def test_dl_32_off_a_host_that_is_away_says_nothing_for_the_mail(site, hosts):
    turnpike = site("mx", bounce_on_first_5xx=False)
    hosts.behaviour[11] = answers("550 5.7.1 refused")
    send(turnpike, "x@onegone.remote.test")
    fields, _ = status_fields(reports(turnpike)[0])
    assert fields[1]["Status"] == "5.7.1"


def test_dl_32_off_each_recipient_is_offered_where_it_was_not_yet_decided(site, hosts):
    turnpike = site("mx", bounce_on_first_5xx=False)
    hosts.behaviour[11] = lambda stage, text, session: (
        "550 5.1.1 not here" if stage == "rcpt" and ("moved@" in text or "lost@" in text) else None)
    hosts.behaviour[12] = answers("550 5.1.1 nor here", only="lost@")
    domain = "two.remote.test"
    send(turnpike, [f"stays@{domain}", f"moved@{domain}", f"lost@{domain}"])
    wait_for(lambda: hosts.taken(12, f"moved@{domain}"))
    fields, _ = status_fields(reports(turnpike)[0])
    assert len(fields) == 2 and f"lost@{domain}" in fields[1]["Final-Recipient"]
    assert "not here" in fields[1]["Diagnostic-Code"]
    assert len(hosts.taken(11, f"stays@{domain}")) == 1 and not hosts.taken(12, f"stays@{domain}")
    assert turnpike.metric("outbound-delivery", "turnpike_delivery_further_hosts_total") >= 1


# ------------------------------------------------------------------------------------------ DL-33

@pytest.mark.parametrize("stage", ["connect", "mail", "rcpt", "end"])
def test_dl_33_on_the_smart_hosts_5xx_returns_mail(site, hosts, stage):
    turnpike = site("smart_host")
    hosts.behaviour[11] = answers("550 5.7.1 no relaying", at=stage)
    send(turnpike, f"{stage}33@anywhere.test")
    fields, _ = status_fields(reports(turnpike)[0])
    assert "no relaying" in fields[1]["Diagnostic-Code"]


@pytest.mark.parametrize("stage", ["connect", "mail", "rcpt", "end"])
def test_dl_33_off_the_smart_hosts_5xx_is_tried_again(site, hosts, stage):
    turnpike = site("smart_host", bounce_on_smart_host_5xx=False)
    hosts.behaviour[11] = answers("550 5.7.1 no relaying", at=stage)
    send(turnpike, f"{stage}-again@elsewhere.test")
    delivery = attempts(turnpike, "elsewhere.test", 2)
    assert b"no relaying" in delivery.last_outcomes[0].reply.text
    hosts.behaviour.clear()
    wait_for(lambda: hosts.taken(11, f"{stage}-again@elsewhere.test"), timeout=40)
    gone(turnpike, "elsewhere.test")


def test_dl_33_off_mail_is_returned_when_it_expires(start, hosts, dns, mailboxes):
    turnpike = start(settings(hosts, dns, mailboxes, {
        "mode": "smart_host", "bounce_on_smart_host_5xx": False,
        "smart_host": {"host": "127.0.0.11", "port": hosts.port}},
        retry={"first_interval": "1s", "first_period": "1h", "interval": "1s",
               "expire_after": "4s"}), LISTENERS)
    hosts.behaviour[11] = answers("550 5.7.1 no relaying")
    send(turnpike, "x@anywhere.test")
    fields, _ = status_fields(reports(turnpike, timeout=30)[0])
    assert fields[1]["Status"] == "4.4.7" and "no relaying" in fields[1]["Diagnostic-Code"]


def test_dl_33_concerns_the_smart_host_only(site, hosts):
    """A 5xx of MX hosts returns mail whatever the switch says."""
    turnpike = site("mx", bounce_on_smart_host_5xx=False)
    hosts.behaviour[11] = answers("550 5.7.1 no")
    send(turnpike, "mx@two.remote.test")
    status_fields(reports(turnpike)[0])


def test_dl_33_and_dl_32_off_all_hosts_of_the_smart_host_are_asked_before_the_retry(site, hosts):
    turnpike = site("smart_host", bounce_on_first_5xx=False, bounce_on_smart_host_5xx=False)
    hosts.behaviour[11] = answers("550 5.7.1 no")
    hosts.behaviour[12] = answers("550 5.7.1 no either")
    send(turnpike, "both@patient.test")
    attempts(turnpike, "patient.test")
    hosts.behaviour[12] = answers(None)
    wait_for(lambda: hosts.taken(12, "both@patient.test"))
