"""DQ-1, DQ-10 to DQ-18: gateways and the ETRN server."""

import socket

import pytest

from gateways import (GATEWAY, PASSWORD, atrn, describe_gateway, gateway, list_deliveries, login,
                      queue_counts, spool_is_empty, submit, without_received)
from peers.dns import Dns
from peers.process import free_port, wait_for
from peers.smtp import Client, Server, message


@pytest.fixture(scope="module")
def sites():
    """Two customers' servers, at one port of two loopback addresses."""
    port = free_port("127.0.0.2")
    with Server(address="127.0.0.2", port=port) as one, Server(address="127.0.0.3", port=port) as two:
        yield one, two


@pytest.fixture(scope="module")
def turnpike(start, sites, tmp_path_factory):
    one, two = sites
    with Dns(tmp_path_factory.mktemp("dns"), {
            "site.test": "mx 60 A 127.0.0.2\n@ 60 MX 10 mx\nhost 60 A 127.0.0.3\n"
                         "host 60 MX 10 mx\n"}) as dns:
        yield start(
            {
                "gateways": [
                    gateway("customer.test", {"port": one.port}, aliases=["customer.example"]),
                    gateway("asks.test", {"port": one.port}),
                    gateway("sub.asks.test", {"port": one.port, "require_auth": False}),
                    gateway("guarded.asks.test", {"port": one.port}),
                    gateway("open.test", {"port": one.port, "require_auth": False}),
                    gateway("bymx.test", {"port": one.port, "deliver_to": "site.test"}),
                    gateway("byhost.test", {"port": one.port, "deliver_to": "[host.site.test]"}),
                    gateway("byip.test", {"port": one.port, "deliver_to": "127.0.0.3"}),
                    gateway("off.test", {"enabled": False}),
                    gateway("retry.test", {"port": one.port, "require_auth": False}),
                ],
                "dns": {"servers": [dns.server]},
                "delivery": {"allow_loopback_hosts": True, "connect_timeout": "3s"},
                "retry": {"first_interval": "1h", "first_period": "1h"},
            },
            {"mx": {"role": "smtp", "allow_cleartext_auth": True}, "odmr": {"role": "odmr"}})


def etrn(turnpike, argument, as_gateway=None, source="127.0.0.2"):
    with Client(turnpike.ports["mx"], source=source) as client:
        client.ehlo()
        if as_gateway:
            assert client.auth_plain(as_gateway, PASSWORD).startswith("235")
        return client.ask(f"ETRN {argument}" if argument is not None else "ETRN")


def test_dq_01_mail_for_a_gateway_is_held_until_asked_for(turnpike, sites):
    before = len(sites[0].messages)
    submit(turnpike.ports["mx"], "CUSTOMER.test", 2)
    submit(turnpike.ports["mx"], "customer.example")
    assert queue_counts(turnpike, "customer.test") == (3, 0, 0, 0)
    assert len(sites[0].messages) == before
    assert etrn(turnpike, "customer.test", "customer.test").startswith("25")
    wait_for(lambda: len(sites[0].messages) == before + 3, what="three messages at the site")


def test_dq_01_idn_in_both_forms_is_one_gateway(start, sites):
    turnpike = start({"gateways": [gateway("bücher.test")]},
                     {"mx": {"role": "smtp"}, "odmr": {"role": "odmr"}})
    submit(turnpike.ports["mx"], "xn--bcher-kva.test")
    with Client(turnpike.ports["mx"]) as client:
        client.ehlo()
        answer = client.mail("ann@sender.test", ["x@bücher.test"], message(1), " SMTPUTF8")
        assert answer.startswith("250"), answer
    assert queue_counts(turnpike, "xn--bcher-kva.test")[0] == 2
    taker = Server(capabilities=["SMTPUTF8", "8BITMIME"])
    reply, server = atrn(turnpike.ports["odmr"], "xn--bcher-kva.test", taker, "xn--bcher-kva.test")
    assert reply.startswith("250") and len(server.messages) == 2


def test_dq_10_not_enabled_and_unknown_look_the_same(turnpike):
    unknown = etrn(turnpike, "unknown.test", "asks.test")
    disabled = etrn(turnpike, "off.test", "asks.test")
    assert unknown.startswith("459 ")
    assert unknown.replace("unknown.test", "D") == disabled.replace("off.test", "D")


def test_dq_10_etrn_is_offered_only_where_somebody_may_use_it(turnpike, start):
    with Client(turnpike.ports["mx"]) as client:
        assert "ETRN" in client.ehlo()
    quiet = start({"gateways": [gateway("customer.test", {"enabled": False})]})
    with Client(quiet.ports["mx"]) as client:
        assert "ETRN" not in client.ehlo()


def test_dq_11_release_is_at_once_durable_and_goes_over_new_sessions(turnpike, sites):
    contents = submit(turnpike.ports["mx"], "open.test", 5)
    before = sites[0].connections
    taken = len(sites[0].messages)
    with Client(turnpike.ports["mx"], source="127.0.0.2") as client:
        client.ehlo()
        assert client.ask("ETRN open.test").startswith("25")
        wait_for(lambda: len(sites[0].messages) == taken + 5)
        assert client.ask("NOOP").startswith("250"), "the asking session carries no mail"
    assert sites[0].connections > before
    arrived = sorted(without_received(m.content) for m in sites[0].messages[taken:])
    assert arrived == sorted(contents)


def test_dq_11_a_release_survives_kill_9_of_everything(start):
    port = free_port("127.0.0.2")
    turnpike = start({"gateways": [gateway("open.test", {"port": port, "require_auth": False})],
                      "delivery": {"allow_loopback_hosts": True},
                      "retry": {"first_interval": "1s", "first_period": "1h"}})
    submit(turnpike.ports["mx"], "open.test", 3)
    turnpike.kill("outbound-delivery")
    assert etrn(turnpike, "open.test").startswith("253 ")
    for service in ("spool-store", "gateway-dequeue", "smtp-frontend", "auth-service"):
        turnpike.kill(service)
    with Server(address="127.0.0.2", port=port) as site:
        for service in ("spool-store", "auth-service", "gateway-dequeue", "smtp-frontend",
                        "outbound-delivery"):
            turnpike.restart(service)
        wait_for(lambda: len(site.messages) == 3, what="what was released, after the restart")


def test_dq_12_replies_of_rfc_1985(turnpike):
    wait_for(lambda: queue_counts(turnpike, "asks.test") == (0, 0, 0, 0))
    assert etrn(turnpike, "asks.test", "asks.test").startswith("251 ")
    submit(turnpike.ports["mx"], "asks.test", 4)
    reply = etrn(turnpike, "asks.test", "asks.test")
    assert reply.startswith("253 ") and " 4 " in reply, reply
    assert etrn(turnpike, "elsewhere.test", "asks.test").startswith("459 ")
    assert etrn(turnpike, "nodot", "asks.test").startswith("501 ")
    assert etrn(turnpike, "!asks.test", "asks.test").startswith("501 ")
    assert etrn(turnpike, None, "asks.test")[:3] in ("500", "501")
    assert etrn(turnpike, "asks.test").startswith("530 5.7.0")
    assert "\n" not in reply


def test_dq_12_no_etrn_inside_a_transaction(turnpike):
    with Client(turnpike.ports["mx"]) as client:
        client.ehlo()
        client.ask("MAIL FROM:<ann@sender.test>")
        assert client.ask("ETRN open.test").startswith("503 ")


def test_dq_12_options_at_and_hash(turnpike, sites):
    submit(turnpike.ports["mx"], "asks.test", 1)
    submit(turnpike.ports["mx"], "sub.asks.test", 2)
    assert etrn(turnpike, "@test", "asks.test").startswith("459 ")
    assert etrn(turnpike, "#asks.test", "asks.test")[:3] in ("250", "252", "253")
    wait_for(lambda: spool_is_empty(turnpike, GATEWAY, "asks.test"))
    assert queue_counts(turnpike, "sub.asks.test")[0] == 2, "#queue is that one queue alone"
    submit(turnpike.ports["mx"], "asks.test", 1)
    etrn(turnpike, "@asks.test", "asks.test")
    wait_for(lambda: spool_is_empty(turnpike, GATEWAY, "asks.test"))


def test_dq_12_at_counts_what_the_asker_may_have_below_it(turnpike, sites):
    """Its own and the open subdomain; the guarded one is somebody else's."""
    for domain in ("asks.test", "sub.asks.test", "guarded.asks.test"):
        wait_for(lambda: spool_is_empty(turnpike, GATEWAY, domain))
    before = len(sites[0].messages)
    submit(turnpike.ports["mx"], "asks.test", 2)
    submit(turnpike.ports["mx"], "sub.asks.test", 3)
    submit(turnpike.ports["mx"], "guarded.asks.test", 4)
    reply = etrn(turnpike, "@asks.test", "asks.test")
    assert reply == "253 2.0.0 OK, 5 pending messages for node asks.test started"
    wait_for(lambda: len(sites[0].messages) == before + 5)
    assert queue_counts(turnpike, "guarded.asks.test")[0] == 4
    assert etrn(turnpike, "@guarded.asks.test", "asks.test").startswith("459 ")
    assert etrn(turnpike, "@asks.test", "guarded.asks.test").startswith("459 "), "wider than its own"
    assert etrn(turnpike, "@guarded.asks.test", "guarded.asks.test").startswith("253 2.0.0 OK, 4 ")
    wait_for(lambda: len(sites[0].messages) == before + 9)


def test_dq_12_a_client_polls_until_it_is_empty(turnpike, sites):
    submit(turnpike.ports["mx"], "open.test", 3)
    with Client(turnpike.ports["mx"], source="127.0.0.2") as client:
        client.ehlo()
        codes = []
        wait_for(lambda: codes.append(client.ask("ETRN open.test")[:3]) or codes[-1] == "251")
    assert codes[0] == "253" and set(codes) == {"253", "251"}


def test_dq_12_unable_to_queue_while_the_store_is_away(start):
    turnpike = start({"gateways": [gateway("open.test", {"require_auth": False})],
                      "smtp": {"policy_timeout": "2s"}})
    turnpike.kill("spool-store")
    assert etrn(turnpike, "open.test").startswith("458 ")


def test_dq_13_auth_as_the_gateway_releases_only_its_own(turnpike):
    submit(turnpike.ports["mx"], "customer.test", 1)
    assert etrn(turnpike, "customer.test").startswith("530 5.7.0")
    assert etrn(turnpike, "customer.test", "asks.test").startswith("459 ")
    assert queue_counts(turnpike, "customer.test")[0] == 1
    with Client(turnpike.ports["mx"]) as client:
        client.ehlo()
        assert client.auth_plain("customer.test", "wrong").startswith("535 5.7.8")
        assert client.ask("ETRN customer.test").startswith("530 5.7.0")
    assert etrn(turnpike, "customer.test", "customer.test").startswith("253 ")
    wait_for(lambda: spool_is_empty(turnpike, GATEWAY, "customer.test"))


def test_dq_13_without_require_auth_the_access_lists_decide(turnpike):
    assert etrn(turnpike, "open.test").startswith("25")


def test_dq_14_mail_goes_to_the_address_that_asked(turnpike, sites):
    for site, source in zip(sites, ("127.0.0.2", "127.0.0.3")):
        before = len(site.messages)
        submit(turnpike.ports["mx"], "open.test", 1)
        assert etrn(turnpike, "open.test", source=source).startswith("253 ")
        wait_for(lambda: len(site.messages) == before + 1, what=f"mail at {source}")


@pytest.mark.parametrize("domain, index", [("bymx.test", 0), ("byhost.test", 1), ("byip.test", 1)])
def test_dq_15_fixed_target_by_mx_by_host_and_by_address(turnpike, sites, domain, index):
    before = len(sites[index].messages)
    submit(turnpike.ports["mx"], domain, 1)
    assert etrn(turnpike, domain, domain, source="127.0.0.1").startswith("253 ")
    wait_for(lambda: len(sites[index].messages) == before + 1, what=f"mail of {domain}")


def test_dq_16_the_port_is_configurable(turnpike, sites):
    assert sites[0].port != 25
    before = len(sites[0].messages)
    submit(turnpike.ports["mx"], "open.test", 1)
    etrn(turnpike, "open.test")
    wait_for(lambda: len(sites[0].messages) == before + 1)


def test_dq_18_a_failed_delivery_stays_released_and_a_second_etrn_makes_it_due(turnpike):
    """Nobody listens at 127.0.0.9, so the release fails; then somebody does."""
    [content] = submit(turnpike.ports["mx"], "retry.test", 1)
    assert etrn(turnpike, "retry.test", source="127.0.0.9").startswith("253 ")
    wait_for(lambda: queue_counts(turnpike, "retry.test") == (0, 0, 1, 0), what="the retry")
    port = turnpike.settings["gateways"][-1]["etrn"]["port"]
    with Server(address="127.0.0.9", port=port) as site:
        assert etrn(turnpike, "retry.test", source="127.0.0.9")[:3] in ("252", "253")
        wait_for(lambda: len(site.messages) == 1, what="the second attempt")
        assert without_received(site.messages[0].content) == content


def test_dq_18_many_etrns_in_a_row_release_once(turnpike, sites):
    before = len(sites[0].messages)
    submit(turnpike.ports["mx"], "open.test", 20)
    with Client(turnpike.ports["mx"], source="127.0.0.2") as client:
        client.ehlo()
        client.send(b"ETRN open.test\r\n" * 20)
        replies = [client.reply() for _ in range(20)]
    assert all(reply[:3] in ("250", "251", "252", "253") for reply in replies), replies
    wait_for(lambda: spool_is_empty(turnpike, GATEWAY, "open.test"))
    assert len(sites[0].messages) == before + 20


def test_dq_18_etrns_of_many_clients_join_the_release_under_way(turnpike, sites):
    """Each gets a true reply, and each message goes out once."""
    before = len(sites[0].messages)
    clients = [Client(turnpike.ports["mx"], source="127.0.0.2") for _ in range(40)]
    for client in clients:
        client.ehlo()
    contents = submit(turnpike.ports["mx"], "open.test", 30)
    for client in clients:
        client.send("ETRN open.test")
    replies = [client.reply() for client in clients]
    assert all(reply[:3] in ("251", "253") and "\n" not in reply for reply in replies), replies
    wait_for(lambda: spool_is_empty(turnpike, GATEWAY, "open.test"))
    arrived = [without_received(m.content) for m in sites[0].messages[before:]]
    assert sorted(arrived) == sorted(contents)
    for client in clients:
        client.close()
