"""DL-40: messages for the same host share a session, whatever their domains."""

import re
import subprocess

import pytest

from delivery_site import (LISTENERS, dns, hosts, mailboxes, send, settings,  # noqa: F401
                           well_behaved)
from peers.dns import Dns
from peers.process import Process, can_connect, free_port, wait_for

SINK = "127.0.0.41"
ZONES = {
    "remote.test":
        "".join(f"d{n} 60 MX 10 mx.provider\n" for n in range(8))
        + "named 60 MX 10 mx.other\nplain 60 MX 10 mx.provider\n"
        + f"mx.provider 60 A {SINK}\nmx.other 60 A {SINK}\n"
        + "s0 60 MX 10 scripted\ns1 60 MX 10 scripted\ns2 60 MX 10 scripted\n"
        "scripted 60 A 127.0.0.11\n",
}


@pytest.fixture(scope="module")
def dns(tmp_path_factory):  # noqa: F811
    with Dns(tmp_path_factory.mktemp("dns"), ZONES) as server:
        yield server


class Sink:
    """Postfix's smtp-sink, with its counters."""

    def __init__(self, folder):
        self.port = free_port(SINK)
        self.log = folder / "sink.log"
        self.process = Process(["smtp-sink", "-c", "-u", "nobody", f"{SINK}:{self.port}", "100"],
                               self.log)
        wait_for(lambda: can_connect(SINK, self.port), what="smtp-sink listening")
        wait_for(lambda: self.sessions() == 1, what="the end of that connection")

    def _count(self, name):
        found = re.findall(rf"{name}=(\d+)", self.log.read_text())
        return int(found[-1]) if found else 0

    def sessions(self):
        """Those that are over; the first is our own."""
        return self._count("sess")

    def messages(self):
        return self._count("mesg")


@pytest.fixture
def sink(tmp_path):
    sink = Sink(tmp_path)
    yield sink
    sink.process.kill()


def connections(turnpike, result):
    return turnpike.metric("outbound-delivery", "turnpike_delivery_connections_total",
                           result=result)


def send_each(turnpike, sink, recipients):
    for recipient in recipients:
        before = sink.messages()
        send(turnpike, recipient)
        wait_for(lambda: sink.messages() == before + 1, what=f"mail for {recipient} at the sink")


def test_dl_40_domains_with_the_same_host_share_its_session(start, hosts, dns, mailboxes, sink):
    turnpike = start(settings(hosts, dns, mailboxes, {
        "smtp_port": sink.port, "idle_timeout": "3s"}), LISTENERS)
    send_each(turnpike, sink, [f"x@d{n}.remote.test" for n in (0, 1, 0, 1, 2, 3, 0, 0)])
    assert connections(turnpike, "opened") == 1
    assert connections(turnpike, "shared") == 6, "all but the first, and the last, which is its own"
    wait_for(lambda: sink.sessions() == 2, timeout=20, what="the end of the idle session")
    assert sink.messages() == 8


def test_dl_40_a_shared_session_has_the_messages_of_one(start, hosts, dns, mailboxes, sink):
    turnpike = start(settings(hosts, dns, mailboxes, {
        "smtp_port": sink.port, "idle_timeout": "3s", "messages_per_connection_max": 3}), LISTENERS)
    send_each(turnpike, sink, [f"x@d{n}.remote.test" for n in range(7)])
    wait_for(lambda: sink.sessions() == 1 + 3, timeout=20, what="the end of all sessions")
    assert connections(turnpike, "opened") == 3


def test_dl_40_another_demand_or_another_name_is_another_session(start, hosts, dns, mailboxes,
                                                                 sink):
    turnpike = start(settings(hosts, dns, mailboxes, {
        "smtp_port": sink.port, "idle_timeout": "5s",
        "routes": [{"domains": ["plain.remote.test"], "tls": "none"}]}), LISTENERS)
    send_each(turnpike, sink, [f"x@{name}.remote.test" for name in (
        "d0", "plain", "named", "d1", "plain", "named")])
    assert connections(turnpike, "opened") == 3


def test_dl_40_many_domains_of_one_host_at_once(start, hosts, dns, mailboxes, sink):
    """Bursts for all of them: everything arrives once, over fewer sessions than messages."""
    turnpike = start(settings(hosts, dns, mailboxes, {
        "smtp_port": sink.port, "idle_timeout": "1s"}), LISTENERS)
    subprocess.run(["smtp-source", "-s", "10", "-m", "400", "-l", "1000", "-f", "ann@elsewhere.test",
                    "-t", "x@d0.remote.test", f"127.0.0.1:{turnpike.ports['mx']}"], check=True)
    wait_for(lambda: sink.messages() == 400, timeout=30)
    send_each(turnpike, sink, [f"x@d{n % 8}.remote.test" for n in range(24)])
    assert sink.messages() == 424
    assert connections(turnpike, "opened") + connections(turnpike, "shared") <= 60


def test_dl_40_a_session_that_ends_when_it_is_taken_over_costs_nothing(start, hosts, dns, mailboxes):
    """As for having been idle for too long."""
    turnpike = start(settings(hosts, dns, mailboxes, {"idle_timeout": "5s"}), LISTENERS)
    server = hosts.servers[11]

    def closes(stage, text, session):
        return "421 4.4.2 idle for too long" if stage == "mail" and session["count"] > 1 else None

    def count(stage, text, session):
        if stage == "mail":
            session["count"] = session.get("count", 0) + 1
        return closes(stage, text, session)

    hosts.behaviour[11] = count
    before = server.connections
    for number in range(6):
        recipient = f"c{number}@s{number % 3}.remote.test"
        send(turnpike, recipient)
        wait_for(lambda: hosts.taken(11, recipient))
    assert server.connections - before >= 4
    assert turnpike.metric("outbound-delivery", "turnpike_delivery_attempts_total",
                           result="deferred") == 0
