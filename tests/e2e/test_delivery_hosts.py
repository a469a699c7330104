"""DL-1 in detail: from DNS to the hosts, with servers that are slow, silent or wrong."""

import collections
import socket
import time

import pytest

from delivery_site import (LISTENERS, attempts, dns, explain_route, hosts,  # noqa: F401
                           mailboxes, reports, send, settings, status_fields, turnpike, well_behaved)
from gateways import REMOTE, list_deliveries
from peers.dns import Dns
from peers.process import free_port, wait_for

MANY = 2500  # MX records and addresses of one name: an answer of more than 40 KiB
ZONES = {
    "remote.test":
        "first 60 A 127.0.0.11\nsecond 60 A 127.0.0.12\nthird 60 A 127.0.0.13\n"
        "order 60 MX 30 third\norder 60 MX 5 first\norder 60 MX 20 second\n"
        "equal 60 MX 10 first\nequal 60 MX 10 second\nequal 60 MX 10 third\n"
        "quick 1 MX 10 first\n"
        "aliased 60 MX 10 alias\nalias 60 CNAME second\n"
        "circle 60 MX 10 round\nround 60 CNAME about\nabout 60 CNAME round\n"
        "selfalias 60 MX 10 me\nme 60 CNAME me\n"
        "empty 60 TXT nothing\n"
        "hollow 60 MX 10 void\nvoid 60 TXT nothing\n"
        "loopback 60 MX 10 inside\ninside 60 A 127.0.0.1\nmeta 60 MX 10 metadata\nmetadata 60 A 169.254.169.254\n"
        "zero 60 MX 10 unspecified\nunspecified 60 A 0.0.0.0\n"
        "self 60 MX 10 gate.turnpike.test.\n"
        "worse 60 MX 10 second\nworse 60 MX 20 gate.turnpike.test.\nworse 60 MX 30 third\n"
        "nullplus 60 MX 0 .\nnullplus 60 MX 10 second\n"
        + "".join(f"manyaddresses 60 A 127.1.{n // 250}.{n % 250 + 1}\n" for n in range(MANY))
        + "manyaddresses 60 A 127.0.0.12\nlots 60 MX 5 manyaddresses\nlots 60 MX 10 second\n"
        + "".join(f"manymx 60 MX {100 + n} m{n}.far\n" for n in range(MANY))
        + "manymx 60 MX 5 first\n",
    "turnpike.test": "gate 60 A 127.0.0.1\n",
}


@pytest.fixture(scope="module")
def dns(tmp_path_factory):  # noqa: F811
    with Dns(tmp_path_factory.mktemp("dns"), ZONES) as server:
        yield server


def queries(turnpike, kind="MX"):
    return turnpike.metric("outbound-delivery", "turnpike_delivery_dns_queries_total", type=kind)


def test_dl_01_mx_hosts_are_tried_by_preference(turnpike, hosts):
    hops = explain_route(turnpike, "order.remote.test").hops
    assert [hop.host.split(".")[0] for hop in hops] == ["first", "second", "third"]
    for number in (11, 12):
        hosts.behaviour[number] = lambda stage, text, session: (
            "421 busy" if stage == "connect" else None)
    send(turnpike, "x@order.remote.test")
    wait_for(lambda: hosts.taken(13, "x@order.remote.test"))


def test_dl_01_equal_preferences_come_in_random_order(turnpike):
    firsts = collections.Counter(explain_route(turnpike, "equal.remote.test").hops[0].host
                                 for _ in range(60))
    assert len(firsts) == 3 and min(firsts.values()) >= 5, firsts


def test_dl_01_an_mx_that_is_an_alias_is_followed(turnpike, hosts):
    send(turnpike, "x@aliased.remote.test")
    wait_for(lambda: hosts.taken(12, "x@aliased.remote.test"))


@pytest.mark.parametrize("domain", ["circle", "selfalias"])
def test_dl_01_aliases_in_a_circle_end(turnpike, domain):
    answer = explain_route(turnpike, f"{domain}.remote.test")
    assert not answer.hops and answer.failure.code // 100 in (4, 5)
    send(turnpike, f"x@{domain}.remote.test")
    if answer.failure.code // 100 == 5:
        status_fields(reports(turnpike)[0])
    else:
        attempts(turnpike, f"{domain}.remote.test")


@pytest.mark.parametrize("domain, status", [
    ("empty", "5.4.4"), ("hollow", "5.4.4"), ("not-there", "5.1.2"), ("self", "5.4.6")])
def test_dl_01_a_domain_without_a_host_for_us_is_returned(turnpike, domain, status):
    send(turnpike, f"x@{domain}.remote.test")
    fields, _ = status_fields(reports(turnpike)[0])
    assert fields[1]["Status"] == status


def test_dl_01_hosts_no_better_than_we_are_left_out(turnpike, hosts):
    assert [hop.host for hop in explain_route(turnpike, "worse.remote.test").hops] == [
        "second.remote.test"]
    hosts.behaviour[12] = lambda stage, text, session: "421 busy" if stage == "connect" else None
    send(turnpike, "x@worse.remote.test")
    attempts(turnpike, "worse.remote.test")
    assert not hosts.taken(13, "x@worse.remote.test")


def test_dl_01_a_null_mx_beside_others_does_not_count(turnpike, hosts):
    send(turnpike, "x@nullplus.remote.test")
    wait_for(lambda: hosts.taken(12, "x@nullplus.remote.test"))


@pytest.mark.parametrize("domain", ["loopback", "meta", "zero"])
def test_dl_01_a_stranger_cannot_send_us_to_ourselves_or_to_the_link(start, hosts, dns, mailboxes,
                                                                     domain):
    turnpike = start(settings(hosts, dns, mailboxes, {"allow_loopback_hosts": False}), LISTENERS)
    send(turnpike, f"x@{domain}.remote.test")
    fields, _ = status_fields(reports(turnpike)[0])
    assert fields[1]["Status"] in ("5.4.4", "5.1.2"), fields[1]["Diagnostic-Code"]
    if domain == "meta":
        send(turnpike, "x@[169.254.169.254]")
        fields, _ = status_fields(reports(turnpike)[0])
        assert fields[1]["Status"] == "5.4.4", "an address literal is no better"
    assert turnpike.metric("outbound-delivery", "turnpike_delivery_failures_total",
                           reason="policy") >= 1


def test_dl_01_an_answer_too_large_for_udp_comes_over_tcp(turnpike, hosts):
    """And of thousands of hosts a few are tried, the best first."""
    send(turnpike, "x@manymx.remote.test")
    wait_for(lambda: hosts.taken(11, "x@manymx.remote.test"))
    answer = explain_route(turnpike, "lots.remote.test")
    assert len(answer.hops) <= 9, "at most eight addresses a host"
    assert answer.hops[-1].address == "127.0.0.12"


def test_dl_01_answers_are_kept_as_long_as_they_say(start, hosts, dns, mailboxes):
    document = settings(hosts, dns, mailboxes)
    document["dns"]["cache_time_max"] = "1h"
    turnpike = start(document, LISTENERS)
    for number in range(3):
        send(turnpike, f"cache{number}@order.remote.test")
        send(turnpike, f"cache{number}@no-such.remote.test")  # negative answers are kept too
        wait_for(lambda: hosts.taken(11, f"cache{number}@order.remote.test"))
        wait_for(lambda: not list_deliveries(turnpike, REMOTE, "no-such.remote.test"))
    assert queries(turnpike) == 2, "one question for each domain"
    for _ in range(2):
        explain_route(turnpike, "quick.remote.test")
    assert queries(turnpike) == 3
    time.sleep(1.3)
    explain_route(turnpike, "quick.remote.test")
    assert queries(turnpike) == 4, "its time to live is a second"
    explain_route(turnpike, "order.remote.test")
    assert queries(turnpike) == 4


def test_dl_01_another_dns_server_answers_when_the_first_is_silent(start, hosts, dns, mailboxes):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        servers = [f"127.0.0.1:{silent.getsockname()[1]}", f"127.0.0.1:{free_port()}", dns.server]
        document = settings(hosts, dns, mailboxes)
        document["dns"].update(servers=servers, timeout="6s")
        turnpike = start(document, LISTENERS)
        send(turnpike, "servers@order.remote.test")
        wait_for(lambda: hosts.taken(11, "servers@order.remote.test"), timeout=30)
