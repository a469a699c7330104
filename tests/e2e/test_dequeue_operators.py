"""DQ-3, DQ-40 to DQ-42, DQ-60, DQ-61: access lists, operators' requests, and what is seen."""

import socket
import struct
import time

import pytest

from gateways import (GATEWAY, PASSWORD, atrn, dequeue, dequeue_error, describe_gateway, gateway,
                      list_deliveries, login, queue_counts, spool_is_empty, submit)
from peers.process import free_port, wait_for
from peers.smtp import Client, Server

HONOR, IGNORE = 1, 2  # turnpike.dequeue.v1.AccessList


@pytest.fixture(scope="module")
def site():
    with Server(address="127.0.0.2", port=free_port("127.0.0.2")) as server:
        yield server


@pytest.fixture(scope="module")
def turnpike(start, site):
    open_etrn = {"port": site.port, "require_auth": False}
    return start(
        {
            "gateways": [
                gateway("listed.test", open_etrn, access={
                    "honor_from": ["127.0.0.0/30", "::1"], "ignore_from": ["127.0.0.3"]}),
                gateway("free.test", open_etrn),
                gateway("timed.test", {"port": site.port, "deliver_to": "127.0.0.2"},
                        forward_every="2s"),
                gateway("fixed.test", {"port": site.port, "deliver_to": "127.0.0.2"}),
                gateway("later.test", {"port": free_port("127.0.0.2"), "require_auth": False}),
            ],
            "delivery": {"allow_loopback_hosts": True, "connect_timeout": "2s"},
            "retry": {"first_interval": "1s", "first_period": "1h"},
        },
        {
            "mx": {"role": "smtp", "allow_cleartext_auth": True},
            "mx6": {"role": "smtp", "listen": f"[::1]:{free_port('127.0.0.1')}"},
            "odmr": {"role": "odmr"},
            "balanced": {"role": "smtp", "proxy_protocol_from": ["127.0.0.1"]},
        })


def etrn(turnpike, domain, source="127.0.0.2"):
    with Client(turnpike.ports["mx"], source=source) as client:
        client.ehlo()
        return client.ask(f"ETRN {domain}")[:3]


def ask_atrn(turnpike, domain, source="127.0.0.1"):
    """The reply to ATRN; the session is given up if it is granted."""
    client = login(turnpike.ports["odmr"], domain, source=source)
    reply = client.ask("ATRN")
    client.close()
    if reply.startswith("250"):
        wait_for(lambda: not describe_gateway(turnpike, domain).running_sessions)
    return reply[:3]


def granted(turnpike, domain):
    """A whole session, if it is granted."""
    result = atrn(turnpike.ports["odmr"], domain)
    return result if result[0].startswith("250") else None


# ------------------------------------------------------------------------------------ access lists


def test_dq_40_requests_are_honoured_from_the_listed_addresses(turnpike):
    assert etrn(turnpike, "listed.test", "127.0.0.1") == "251"
    assert etrn(turnpike, "listed.test", "127.0.0.2") == "251"
    assert etrn(turnpike, "listed.test", "127.0.0.4") == "459"
    assert ask_atrn(turnpike, "listed.test", "127.0.0.1") == "453"
    assert ask_atrn(turnpike, "listed.test", "127.0.0.4") == "450"


def test_dq_40_and_by_ipv6(turnpike):
    port = int(turnpike.settings["smtp"]["listeners"][1]["listen"].rsplit(":", 1)[1])
    with Client(port, address="::1") as client:
        client.ehlo()
        assert client.ask("ETRN listed.test").startswith("251 ")
        dequeue(turnpike, "AddAccessEntry", domain="listed.test", list=IGNORE, network="::/64")
        assert client.ask("ETRN listed.test").startswith("459 ")
        dequeue(turnpike, "RemoveAccessEntry", domain="listed.test", list=IGNORE, network="::/64")
        assert client.ask("ETRN listed.test").startswith("251 ")


@pytest.mark.parametrize("address, code", [
    ("127.0.0.2", "251"), ("198.51.100.7", "459"), ("127.0.0.3", "459"), ("::1", "251"),
    ("2001:db8::7", "459")])
def test_dq_40_behind_proxy_protocol_the_true_address_counts(turnpike, address, code):
    family, own = ("TCP6", "::1") if ":" in address else ("TCP4", "127.0.0.1")
    client = Client(turnpike.ports["balanced"], greet=False)
    client.send(f"PROXY {family} {address} {own} 40000 25")
    client.greeting = client.reply()
    client.ehlo()
    assert client.ask("ETRN listed.test").startswith(code)
    client.close()


@pytest.mark.parametrize("address, code", [
    ("127.0.0.2", "251"), ("127.0.0.3", "459"), ("::ffff:127.0.0.2", "251"),
    ("::ffff:127.0.0.3", "459"), ("2001:db8::7", "459")])
def test_dq_40_behind_proxy_protocol_version_2_too(turnpike, address, code):
    """An IPv4 address is the same one within IPv6."""
    if ":" in address:
        addresses = socket.inet_pton(socket.AF_INET6, address) + socket.inet_pton(
            socket.AF_INET6, "::1")
    else:
        addresses = socket.inet_aton(address) + socket.inet_aton("127.0.0.1")
    body = addresses + struct.pack("!HH", 40000, 25)
    client = Client(turnpike.ports["balanced"], greet=False)
    client.send(b"\r\n\r\n\0\r\nQUIT\n\x21" + (b"\x21" if ":" in address else b"\x11") +
                struct.pack("!H", len(body)) + body)
    client.greeting = client.reply()
    client.ehlo()
    assert client.ask("ETRN listed.test").startswith(code)
    client.close()


def test_dq_41_ignore_wins_and_looks_like_an_unknown_gateway(turnpike):
    def replies(domain):
        with Client(turnpike.ports["mx"], source="127.0.0.3") as client:
            client.ehlo()
            return client.ask(f"ETRN {domain}").replace(domain, "D")

    before = turnpike.metric("gateway-dequeue", "turnpike_dequeue_requests_total",
                             protocol="etrn", result="forbidden")
    ignored = replies("listed.test")
    assert ignored.startswith("459 ") and ignored == replies("unknown.test")
    assert ask_atrn(turnpike, "listed.test", "127.0.0.3") == "450"
    assert turnpike.metric("gateway-dequeue", "turnpike_dequeue_requests_total",
                           protocol="etrn", result="forbidden") == before + 1


def test_dq_42_entries_change_while_running_without_cutting_a_session(turnpike):
    submit(turnpike.ports["mx"], "free.test", 2)
    taken = []

    def respond(stage, text, session):
        if stage == "end" and not taken:
            taken.append(text)
            dequeue(turnpike, "AddAccessEntry", domain="free.test", list=IGNORE,
                    network="127.0.0.0/8")
        return None

    _, server = atrn(turnpike.ports["odmr"], "free.test", Server(respond))
    assert len(server.messages) == 2, "the session goes on"
    assert etrn(turnpike, "free.test") == "459"
    assert ask_atrn(turnpike, "free.test") == "450"
    [entry] = describe_gateway(turnpike, "free.test").access
    assert (entry.list, entry.network, entry.configured) == (IGNORE, "127.0.0.0/8", False)
    assert abs(entry.add_time.seconds - time.time()) < 60
    dequeue(turnpike, "RemoveAccessEntry", domain="free.test", list=IGNORE, network="127.0.0.0/8")
    assert etrn(turnpike, "free.test") == "251"


def test_dq_42_entries_hold_over_restarts(turnpike):
    dequeue(turnpike, "AddAccessEntry", domain="free.test", list=HONOR, network="127.0.0.9")
    for service in ("gateway-dequeue", "spool-store"):
        turnpike.kill(service)
        turnpike.restart(service)
    wait_for(lambda: etrn(turnpike, "free.test", "127.0.0.9") == "251")
    assert etrn(turnpike, "free.test", "127.0.0.2") == "459"
    # By its IPv4-mapped form too: it is the same network.
    dequeue(turnpike, "RemoveAccessEntry", domain="free.test", list=HONOR,
            network="::ffff:127.0.0.9/128")
    assert etrn(turnpike, "free.test", "127.0.0.2") == "251"


def test_dq_42_bad_changes_are_refused(turnpike):
    def add(**fields):
        return dequeue_error(turnpike, "AddAccessEntry", **fields)

    def remove(**fields):
        return dequeue_error(turnpike, "RemoveAccessEntry", **fields)

    assert add(domain="unknown.test", list=HONOR, network="127.0.0.1") == "NOT_FOUND"
    assert add(domain="free.test", list=HONOR, network="127.0.0.300") == "INVALID_ARGUMENT"
    assert add(domain="free.test", network="127.0.0.1") == "INVALID_ARGUMENT"
    assert remove(domain="free.test", list=HONOR, network="127.0.0.1") == "NOT_FOUND"
    assert remove(domain="listed.test", list=IGNORE, network="127.0.0.3") == "FAILED_PRECONDITION"


# -------------------------------------------------------------------------------------- operators


def test_dq_61_a_suspended_gateway_is_not_served_until_it_is_resumed(turnpike):
    submit(turnpike.ports["mx"], "free.test", 1)
    dequeue(turnpike, "SuspendGateway", domain="free.test", reason="unpaid")
    assert etrn(turnpike, "free.test") == "458"
    assert ask_atrn(turnpike, "free.test") == "451"
    turnpike.kill("gateway-dequeue")
    turnpike.restart("gateway-dequeue")
    state = describe_gateway(turnpike, "free.test")
    assert state.suspended and state.suspend_reason == "unpaid"
    assert abs(state.suspend_time.seconds - time.time()) < 60
    assert etrn(turnpike, "free.test") == "458"
    submit(turnpike.ports["mx"], "free.test", 1)  # taken all the same
    assert not dequeue(turnpike, "ResumeGateway", domain="free.test").gateway.suspended
    _, server = wait_for(lambda: granted(turnpike, "free.test"), what="the frontend finding it")
    assert len(server.messages) == 2


def test_dq_61_suspending_ends_a_session_after_the_message_in_progress(turnpike):
    submit(turnpike.ports["mx"], "free.test", 20)

    def respond(stage, text, session):
        if stage == "end":
            if len(server.messages) == 2:
                dequeue(turnpike, "SuspendGateway", domain="free.test")
            time.sleep(0.05)
        return None

    server = Server(respond)
    atrn(turnpike.ports["odmr"], "free.test", server)
    assert 3 <= len(server.messages) < 20
    assert server.transcripts[0][-1] == "QUIT"
    left = 20 - len(server.messages)
    wait_for(lambda: queue_counts(turnpike, "free.test") == (left, 0, 0, 0))
    dequeue(turnpike, "ResumeGateway", domain="free.test")
    _, second = wait_for(lambda: granted(turnpike, "free.test"))
    assert len(second.messages) == left


def test_dq_61_what_was_released_waits_while_suspended(turnpike):
    submit(turnpike.ports["mx"], "later.test", 1)
    assert etrn(turnpike, "later.test") == "253"  # nobody listens there
    wait_for(lambda: queue_counts(turnpike, "later.test")[2] == 1, what="the retry")
    dequeue(turnpike, "SuspendGateway", domain="later.test")
    time.sleep(2.5)  # outbound-delivery hears of it
    port = turnpike.settings["gateways"][4]["etrn"]["port"]
    with Server(address="127.0.0.2", port=port) as server:
        time.sleep(3)
        assert server.connections == 0
        dequeue(turnpike, "ResumeGateway", domain="later.test")
        wait_for(lambda: len(server.messages) == 1, what="the mail after the resume")


def test_dq_61_release_now(turnpike, site):
    before = len(site.messages)
    submit(turnpike.ports["mx"], "fixed.test", 3)
    response = dequeue(turnpike, "ReleaseGateway", domain="fixed.test")
    assert (response.released, response.pending) == (3, 0)
    wait_for(lambda: len(site.messages) == before + 3)
    assert describe_gateway(turnpike, "fixed.test").last_request.protocol == "operator"


def test_dq_61_release_to_a_target_where_the_gateway_names_none(turnpike, site):
    before = len(site.messages)
    submit(turnpike.ports["mx"], "free.test", 1)
    assert dequeue_error(turnpike, "ReleaseGateway", domain="free.test") == "FAILED_PRECONDITION"
    assert dequeue_error(turnpike, "ReleaseGateway", domain="unknown.test") == "NOT_FOUND"
    assert dequeue_error(turnpike, "ReleaseGateway", domain="free.test",
                         target={"address": "nonsense"}) == "INVALID_ARGUMENT"
    dequeue(turnpike, "ReleaseGateway", domain="free.test",
            target={"address": "127.0.0.2", "port": site.port})
    wait_for(lambda: len(site.messages) == before + 1)
    wait_for(lambda: spool_is_empty(turnpike, GATEWAY, "free.test"))


# --------------------------------------------------------------------------------------- interval


def test_dq_03_forwards_at_its_interval_without_being_asked(turnpike, site):
    for _ in range(2):
        before = len(site.messages)
        submit(turnpike.ports["mx"], "timed.test", 2)
        wait_for(lambda: len(site.messages) == before + 2, what="the next interval")
    wait_for(lambda: describe_gateway(turnpike, "timed.test").last_request.protocol == "interval")


def test_dq_03_one_of_several_gateway_dequeues_does_it(turnpike):
    def releases():
        return sum(line.get("gateway") == "timed.test" and
                   line.get("text", line.get("message")) == "released at its interval"
                   for name in ("gateway-dequeue", "second")
                   for line in turnpike.log_lines(name))

    spawn_second(turnpike)
    begin, before = time.monotonic(), releases()
    time.sleep(6)
    elapsed = time.monotonic() - begin
    turnpike.processes["second"].terminate()
    assert releases() - before <= elapsed / 2 + 1


def spawn_second(turnpike):
    """A second gateway-dequeue with the same configuration; its port."""
    settings = {**turnpike.settings, "services": {**turnpike.settings["services"]}}
    port, metrics = free_port(), free_port()
    settings["services"]["gateway_dequeue"] = {
        "listen": f"127.0.0.1:{port}", "metrics_listen": f"127.0.0.1:{metrics}"}
    config = turnpike.folder / "second.yaml"
    turnpike.write_config(config, settings)
    turnpike.spawn("gateway-dequeue", name="second", config=config)
    wait_for(lambda: describe_gateway_or_none(turnpike, port), what="the second gateway-dequeue")
    return port


def describe_gateway_or_none(turnpike, port):
    import grpc
    try:
        return describe_gateway(turnpike, "free.test", port)
    except grpc.RpcError:
        return None


def test_dq_42_and_61_count_on_every_gateway_dequeue(turnpike):
    port = spawn_second(turnpike)
    dequeue(turnpike, "SuspendGateway", port, domain="free.test")
    dequeue(turnpike, "AddAccessEntry", port, domain="later.test", list=IGNORE,
            network="127.0.0.2")
    wait_for(lambda: etrn(turnpike, "free.test") == "458", timeout=3)
    wait_for(lambda: etrn(turnpike, "later.test") == "459", timeout=3)
    dequeue(turnpike, "ResumeGateway", port, domain="free.test")
    dequeue(turnpike, "RemoveAccessEntry", port, domain="later.test", list=IGNORE,
            network="127.0.0.2")
    wait_for(lambda: etrn(turnpike, "free.test") == "251", timeout=3)
    turnpike.processes["second"].terminate()


# -------------------------------------------------------------------------------------- seen state


def test_dq_60_unknown_outcomes_and_limits_are_shown(start):
    turnpike = start({"gateways": [gateway("customer.test", hold={"max_messages": 50})]},
                     {"mx": {"role": "smtp"}, "odmr": {"role": "odmr"}})
    submit(turnpike.ports["mx"], "customer.test", 3)
    atrn(turnpike.ports["odmr"], "customer.test",
         Server(lambda stage, *rest: Server.CLOSE if stage == "end" else None))
    wait_for(lambda: queue_counts(turnpike, "customer.test")[0] == 3)
    state = describe_gateway(turnpike, "customer.test")
    assert state.outcomes_unknown == 1 and state.messages_max == 50
    assert sum(d.outcome_unknown for d in list_deliveries(turnpike, GATEWAY, "customer.test")) == 1
    wait_for(lambda: atrn(turnpike.ports["odmr"], "customer.test")[0].startswith("250"))
    wait_for(lambda: describe_gateway(turnpike, "customer.test").outcomes_unknown == 0)


def test_dq_60_mail_that_nobody_collects_is_warned_of(start):
    """Half of the retention is too long."""
    turnpike = start({"gateways": [gateway("customer.test", hold={"retention": "4h"}),
                                   gateway("fast.test", hold={"retention": "2m"})]})
    submit(turnpike.ports["mx"], "customer.test", 1)
    submit(turnpike.ports["mx"], "fast.test", 1)
    wait_for(lambda: turnpike.metric("gateway-dequeue", "turnpike_dequeue_overdue_gateways") == 1,
             timeout=150, interval=1, what="the overdue gateway")
    warnings = [line for line in turnpike.log_lines("gateway-dequeue")
                if "mail of a gateway is not collected" in str(line)]
    assert [line["gateway"] for line in warnings] == ["fast.test"]


def test_dq_60_metrics_have_the_gateways_figures(turnpike):
    submit(turnpike.ports["mx"], "listed.test", 2)
    wait_for(lambda: turnpike.metric("gateway-dequeue", "turnpike_dequeue_gateway_held_messages",
                                     gateway="listed.test") == 2, timeout=40)
    assert turnpike.metric("gateway-dequeue", "turnpike_dequeue_gateway_oldest_timestamp_seconds",
                           gateway="listed.test") > time.time() - 200
