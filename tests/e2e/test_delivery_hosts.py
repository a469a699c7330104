"""DL-1 in detail: from DNS to the hosts, with servers that are slow, silent or wrong."""

import collections
import socket
import struct
import threading
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
        "ours 60 MX 5 first\nours 60 MX 10 inside\nours 60 MX 20 third\nonlyours 60 MX 10 inside\n"
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


def test_dl_01_hosts_no_better_than_one_of_our_own_listeners_are_left_out(start, hosts, dns,
                                                                          mailboxes):
    """The loop is seen by the address and port, whatever name leads there."""
    turnpike = start(settings(hosts, dns, mailboxes), {
        **LISTENERS, "own": {"role": "smtp", "listen": f"127.0.0.1:{hosts.port}"}})
    assert [hop.host for hop in explain_route(turnpike, "ours.remote.test").hops] == [
        "first.remote.test"]
    hosts.behaviour[11] = lambda stage, text, session: "421 busy" if stage == "connect" else None
    send(turnpike, "x@ours.remote.test")
    attempts(turnpike, "ours.remote.test")
    assert not hosts.taken(13, "x@ours.remote.test")
    send(turnpike, "x@onlyours.remote.test")
    fields, _ = status_fields(reports(turnpike)[0])
    assert fields[1]["Status"] == "5.4.6"
    assert turnpike.metric("outbound-delivery", "turnpike_delivery_connections_total",
                           result="failed") == 1, "nobody but the first host was called"


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


class HugeAnswers:
    """A DNS server that answers each question for MX with 10,000 records, of which a message has
    room for a third. All these hosts are at one address."""

    def __init__(self, address):
        self.address = address
        self.asked = []
        self.port = free_port()
        self.stream = socket.create_server(("127.0.0.1", self.port))
        self.datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.datagrams.bind(("127.0.0.1", self.port))
        for serve in (self._serve_stream, self._serve_datagrams):
            threading.Thread(target=serve, daemon=True).start()

    def _answer(self, query, by_stream):
        end = query.index(0, 12) + 5
        number, question = query[:2], query[12:end]
        kind = int.from_bytes(question[-4:-2], "big")
        self.asked.append((kind, by_stream))
        head = lambda flags, count: number + struct.pack("!5H", flags, 1, count, 0, 0) + question
        if kind == 1:
            return head(0x8180, 1) + (b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 60, 4)
                                      + socket.inet_aton(self.address))
        if kind != 15:
            return head(0x8180, 0)
        if not by_stream:
            return head(0x8380, 0)  # truncated
        return (head(0x8180, 10000) + b"".join(
            b"\xc0\x0c" + struct.pack("!HHIHH", 15, 1, 60, 9, 10) + b"\4%04d\xc0\x0c" % n
            for n in range(10000)))[:65535]

    def _serve_datagrams(self):
        while True:
            query, peer = self.datagrams.recvfrom(4096)
            self.datagrams.sendto(self._answer(query, False), peer)

    def _serve_stream(self):
        while True:
            connection, _ = self.stream.accept()
            with connection, connection.makefile("rb") as file:
                while length := file.read(2):
                    answer = self._answer(file.read(int.from_bytes(length, "big")), True)
                    connection.sendall(struct.pack("!H", len(answer)) + answer)


def test_dl_01_of_ten_thousand_hosts_a_few_are_tried(start, hosts, dns, mailboxes):
    """More than fit into a DNS message, which is cut off: its first records are enough."""
    server = HugeAnswers("127.0.0.11")
    document = settings(hosts, dns, mailboxes)
    document["dns"]["servers"] = [f"127.0.0.1:{server.port}"]
    document["retry"]["first_interval"] = "5s"
    turnpike = start(document, LISTENERS)
    hosts.behaviour[11] = lambda stage, text, session: "421 busy" if stage == "connect" else None
    send(turnpike, "x@huge.remote.test")
    attempts(turnpike, "huge.remote.test")
    failed = turnpike.metric("outbound-delivery", "turnpike_delivery_connections_total",
                             result="failed")
    assert failed == 20, "at most so many hosts"
    assert (15, True) in server.asked
    assert sum(kind == 1 for kind, _ in server.asked) <= 25
    hosts.behaviour.clear()
    wait_for(lambda: hosts.taken(11, "x@huge.remote.test"), timeout=30)


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
