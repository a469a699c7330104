"""DL-1 to DL-3, DL-6 and DL-8: where mail goes by mode, by exceptions for domains, and when."""

import re
import subprocess
import time

import pytest

from delivery_site import (LISTENERS, attempts, dns, explain_route, hosts,  # noqa: F401
                           mailboxes, reports, send, settings, status_fields, well_behaved)
from gateways import PASSWORD, REMOTE, gateway, list_deliveries, submit
from peers.dns import Dns
from peers.process import wait_for
from peers.smtp import Client, Server
from peers.turnpike import TOP, binary

ZONES = {
    "remote.test":
        "first 60 A 127.0.0.11\nsecond 60 A 127.0.0.12\nabsent 60 A 127.0.0.98\n"
        "alive 60 MX 10 first\nalso 60 MX 10 second\n"
        "dead 60 MX 10 absent\ndead 60 MX 20 also-absent\nalso-absent 60 A 127.0.0.97\n"
        "half 60 MX 10 absent\nhalf 60 MX 20 first\n"
        "null 60 MX 0 .\nnowhere 60 TXT nothing\n"
        "special 60 MX 10 first\nbelow 60 MX 10 first\na.below 60 MX 10 first\n"
        "relay 60 MX 10 mx.relay\nmx.relay 60 A 127.0.0.16\n"
        "again 60 MX 10 absent\n",
    "turnpike.test": "gate 60 A 127.0.0.1\n",
}


@pytest.fixture(scope="module")
def dns(tmp_path_factory):  # noqa: F811
    with Dns(tmp_path_factory.mktemp("dns"), ZONES) as server:
        yield server


def smart_host(hosts, number=16, **more):
    return {"host": f"127.0.0.{number}", "port": hosts.port, **more}


@pytest.fixture(scope="module")
def by_smart_host(start, hosts, dns, mailboxes):
    return start(settings(hosts, dns, mailboxes, {
        "mode": "smart_host", "smart_host": smart_host(hosts)}), LISTENERS)


@pytest.fixture(scope="module")
def both_ways(start, hosts, dns, mailboxes):
    return start(settings(hosts, dns, mailboxes, {
        "mode": "direct_then_smart_host", "smart_host": smart_host(hosts)}), LISTENERS)


def test_dl_02_all_outbound_mail_goes_to_the_smart_host_whatever_its_domain(by_smart_host, hosts,
                                                                            mailboxes):
    for domain in ("alive.remote.test", "null.remote.test", "no-such-domain.test"):
        send(by_smart_host, f"all@{domain}")
        wait_for(lambda: hosts.taken(16, f"all@{domain}"))
        assert not hosts.taken(11, f"all@{domain}")
    send(by_smart_host, "ann@office.test")
    wait_for(lambda: [m for m in mailboxes.messages if "ann@office.test" in m.rcpts[0]])
    assert not hosts.taken(16, "ann@office.test")


def test_dl_02_mail_for_several_domains_shares_the_smart_hosts_connections(by_smart_host, hosts):
    for number in range(20):
        send(by_smart_host, f"shared@d{number}.test")
    wait_for(lambda: all(hosts.taken(16, f"shared@d{number}.test") for number in range(20)))
    assert any(sum("RCPT TO:<shared@" in line for line in lines) > 1
               for lines in hosts.servers[16].transcripts)


def test_dl_02_a_real_mta_is_the_smart_host(start, start_postfix, hosts, dns, mailboxes):
    mta = start_postfix(["anywhere.test"])
    turnpike = start(settings(hosts, dns, mailboxes, {
        "mode": "smart_host", "smart_host": {"host": "127.0.0.1", "port": mta.port}}), LISTENERS)
    content = send(turnpike, "bob@anywhere.test")
    [arrived] = mta.wait_messages(1)
    assert arrived.original() == content.replace(b"\r\n", b"\n")


def test_dl_03_what_can_go_direct_does(both_ways, hosts):
    send(both_ways, "direct@alive.remote.test")
    wait_for(lambda: hosts.taken(11, "direct@alive.remote.test"))
    send(both_ways, "direct@half.remote.test")
    wait_for(lambda: hosts.taken(11, "direct@half.remote.test"))
    assert not [m for m in hosts.servers[16].messages if "direct@" in m.rcpts[0]]


@pytest.mark.parametrize("domain", ["no-such.remote.test", "nowhere.remote.test", "dead.remote.test",
                                    "refused-by-dns.elsewhere"])
def test_dl_03_nobody_to_be_found_or_connected_to_means_the_smart_host(both_ways, hosts, domain):
    before = both_ways.metric("outbound-delivery", "turnpike_delivery_fallbacks_total")
    send(both_ways, f"x@{domain}")
    wait_for(lambda: hosts.taken(16, f"x@{domain}"), timeout=30)
    wait_for(lambda: not list_deliveries(both_ways, REMOTE, domain))
    assert both_ways.metric("outbound-delivery", "turnpike_delivery_fallbacks_total") == before + 1


def test_dl_03_the_route_that_is_explained_ends_with_the_smart_host(both_ways):
    route = explain_route(both_ways, "alive.remote.test")
    assert [hop.address for hop in route.hops] == ["127.0.0.11", "127.0.0.16"]
    route = explain_route(both_ways, "no-such.remote.test")
    assert [hop.address for hop in route.hops] == ["127.0.0.16"]
    assert explain_route(both_ways, "null.remote.test").failure.enhanced_code == "5.1.10"


def test_dl_03_a_hosts_own_5xx_is_an_answer(both_ways, hosts):
    hosts.behaviour[11] = lambda stage, text, session: (
        "550 5.7.1 not from you" if stage == "rcpt" else None)
    send(both_ways, "refused@alive.remote.test")
    fields, _ = status_fields(reports(both_ways)[0])
    assert fields[1]["Status"] == "5.7.1"
    time.sleep(1.5)  # the connection ends
    hosts.behaviour[11] = lambda stage, text, session: "554 no" if stage == "connect" else None
    send(both_ways, "shut@alive.remote.test")
    status_fields(reports(both_ways)[0])
    send(both_ways, "x@null.remote.test")
    fields, _ = status_fields(reports(both_ways)[0])
    assert fields[1]["Status"] == "5.1.10"
    assert not [m for m in hosts.servers[16].messages
                if any(name in m.rcpts[0] for name in ("refused@", "shut@", "<x@null."))]


@pytest.mark.parametrize("stage_of_4xx", ["connect", "rcpt"])
def test_dl_03_a_hosts_own_4xx_means_the_retry_queue(both_ways, hosts, stage_of_4xx):
    hosts.behaviour[12] = lambda stage, text, session: (
        "421 4.3.2 busy" if stage == stage_of_4xx else None)
    send(both_ways, f"{stage_of_4xx}@also.remote.test")
    attempts(both_ways, "also.remote.test")
    assert not hosts.taken(16, f"{stage_of_4xx}@also.remote.test")
    hosts.behaviour.clear()
    wait_for(lambda: hosts.taken(12, f"{stage_of_4xx}@also.remote.test"))


def test_dl_03_each_retry_tries_direct_first_again(both_ways, hosts):
    hosts.behaviour[16] = lambda stage, text, session: "451 4.3.0 full" if stage == "rcpt" else None
    send(both_ways, "x@again.remote.test")
    delivery = attempts(both_ways, "again.remote.test", 2)
    assert "127.0.0.16" in delivery.last_outcomes[0].host
    with Server(address="127.0.0.98", port=hosts.port) as revived:
        wait_for(lambda: revived.messages, timeout=30)
    assert not hosts.taken(16, "x@again.remote.test")


@pytest.fixture(scope="module")
def with_routes(start, hosts, dns, mailboxes):
    lmtp = Server(address="127.0.0.18", port=hosts.port, lmtp=True)
    turnpike = start(settings(hosts, dns, mailboxes, {"routes": [
        {"domains": ["special.remote.test"], "host": "127.0.0.12", "port": hosts.port},
        {"domains": ["*.below.remote.test", "mailboxes.test"], "host": "127.0.0.18",
         "port": hosts.port, "lmtp": True},
        {"domains": ["relayed.test"], "smart_host": {
            "host": "relay.remote.test", "use_mx": True, "port": hosts.port}},
        {"domains": ["alive.remote.test"], "tls": "required"},
        {"domains": ["also.remote.test"], "connections_per_destination_max": 1,
         "messages_per_connection_max": 2, "retry": {"first_interval": "1h"}},
        {"domains": ["*.test"], "smart_host": smart_host(hosts, 17)},
    ]}), LISTENERS)
    turnpike.lmtp = lmtp
    yield turnpike
    lmtp.stop()


def test_dl_06_a_domain_goes_to_its_fixed_host(with_routes, hosts):
    send(with_routes, "x@special.remote.test")
    wait_for(lambda: hosts.taken(12, "x@special.remote.test"))


def test_dl_06_domains_below_one_go_by_lmtp(with_routes):
    send(with_routes, ["x@a.below.remote.test"])
    send(with_routes, ["x@mailboxes.test"])
    wait_for(lambda: len(with_routes.lmtp.messages) == 2)
    assert with_routes.lmtp.transcripts[0][0].startswith("LHLO")


def test_dl_06_the_first_route_that_matches_decides(with_routes, hosts):
    send(with_routes, "x@relayed.test")
    wait_for(lambda: hosts.taken(16, "x@relayed.test"))
    send(with_routes, "x@whatever.test")
    wait_for(lambda: hosts.taken(17, "x@whatever.test"))


def test_dl_06_a_route_may_say_what_tls_is_needed(with_routes, hosts):
    send(with_routes, "x@alive.remote.test")
    delivery = attempts(with_routes, "alive.remote.test")
    assert "TLS" in delivery.last_outcomes[0].reply.text.decode()
    assert not hosts.taken(11, "x@alive.remote.test")


def test_dl_06_a_route_has_limits_and_retry_times_of_its_own(with_routes, hosts):
    open_now, most = set(), []

    def watch(stage, text, session):
        if stage == "connect":
            open_now.add(session["number"])
        if stage == "quit":
            open_now.discard(session["number"])
        most.append(len(open_now))
        return time.sleep(0.02) if stage == "end" else None

    hosts.behaviour[12] = watch
    before = hosts.servers[12].connections
    for number in range(8):
        send(with_routes, f"limit{number}@also.remote.test")
    wait_for(lambda: all(hosts.taken(12, f"limit{n}@also.remote.test") for n in range(8)))
    assert max(most) == 1, "one connection at a time"
    assert hosts.servers[12].connections - before >= 4, "two messages each"
    hosts.behaviour[12] = lambda stage, text, session: "450 no" if stage == "rcpt" else None
    send(with_routes, "later@also.remote.test")
    delivery = attempts(with_routes, "also.remote.test")
    assert 3000 < delivery.next_attempt_time.seconds - time.time() < 4200


def test_dl_06_the_examples_of_the_guide_are_accepted(tmp_path):
    guide = (TOP / "docs" / "delivery.md").read_text()
    examples = re.findall(r"^```yaml\n(.*?)^```$", guide, re.MULTILINE | re.DOTALL)
    assert len(examples) >= 3
    (tmp_path / "secrets").mkdir()
    for name in ("bulk-relay", "relay"):
        (tmp_path / "secrets" / name).write_text("secret\n")
    for example in examples:
        path = tmp_path / "turnpike.yaml"
        path.write_text("hostname: gate.turnpike.test\nsmtp: {listeners: [{name: mx, role: smtp, "
                        f'listen: "127.0.0.1:0"}}]}}\n{example}')
        result = subprocess.run([binary("outbound-delivery"), "--config", path, "--check"],
                                capture_output=True, text=True, timeout=20)
        assert result.returncode == 0, result.stderr


INTERVAL = 6


@pytest.fixture(scope="module")
def in_rounds(start, hosts, dns, mailboxes):
    return start(settings(hosts, dns, mailboxes, {"processing_interval": f"{INTERVAL}s"}, gateways=[
        gateway("sender.test"),
        gateway("customer.test", {"deliver_to": "127.0.0.12", "port": hosts.port}),
    ]), LISTENERS)


def after_a_round():
    """Waits until a round is over and the next one is some time away."""
    wait_for(lambda: 2.5 < time.time() % INTERVAL < 3.5, timeout=2 * INTERVAL)


def arrival(condition):
    """How long after the beginning of its round something has come."""
    wait_for(condition, timeout=3 * INTERVAL, interval=0.02)
    return time.time() % INTERVAL


def test_dl_08_remote_mail_leaves_in_rounds_and_local_mail_at_once(in_rounds, hosts, mailboxes):
    after_a_round()
    begin = time.time()
    send(in_rounds, "round@alive.remote.test")
    send(in_rounds, "round@also.remote.test")
    send(in_rounds, "round@office.test")
    wait_for(lambda: [m for m in mailboxes.messages if "round@office.test" in m.rcpts[0]])
    assert time.time() - begin < 1.5
    assert not hosts.taken(11, "round@alive.remote.test")
    assert arrival(lambda: hosts.taken(11, "round@alive.remote.test")) < 2
    wait_for(lambda: hosts.taken(12, "round@also.remote.test"), timeout=2)
    assert not list_deliveries(in_rounds, REMOTE, "alive.remote.test")


def test_dl_08_what_etrn_released_waits_for_the_next_round(in_rounds, hosts):
    submit(in_rounds.ports["mx"], "customer.test", 3, as_gateway="sender.test")
    after_a_round()
    with Client(in_rounds.ports["mx"]) as client:
        client.ehlo()
        assert client.auth_plain("customer.test", PASSWORD).startswith("235")
        assert client.ask("ETRN customer.test").startswith("25")
    taken = lambda: [m for m in hosts.servers[12].messages if "@customer.test" in m.rcpts[0]]
    assert not taken()
    assert arrival(lambda: len(taken()) == 3) < 2


def test_dl_08_retries_come_in_rounds_too(in_rounds, hosts):
    hosts.behaviour[11] = lambda stage, text, session: "451 later" if stage == "rcpt" else None
    after_a_round()
    send(in_rounds, "retry@alive.remote.test")
    delivery = attempts(in_rounds, "alive.remote.test", timeout=2 * INTERVAL)
    assert delivery.next_attempt_time.seconds % INTERVAL == 0
    hosts.behaviour.clear()
    assert arrival(lambda: hosts.taken(11, "retry@alive.remote.test")) < 2
