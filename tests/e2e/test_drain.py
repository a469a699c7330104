"""PL-7: SIGTERM. What is in progress is finished within the grace period, leases are handed back,
and nobody finds a closed door while load balancers still send."""

import collections
import copy
import socket
import threading
import time

import pytest

from delivery_site import LISTENERS, dns, hosts, mailboxes, send, settings, well_behaved  # noqa: F401
from gateways import (GATEWAY, REMOTE, atrn, gateway, list_deliveries, login, queue_counts, submit)
from peers.process import free_port, wait_for
from peers.smtp import Client, Server, message, stuff

HELD, READY, LEASED = 1, 2, 4


def states(turnpike, kind, name):
    return collections.Counter(d.state for d in list_deliveries(turnpike, kind, name))


def test_pl_07_a_worker_finishes_what_it_sends_and_hands_back_the_rest(start, hosts, dns, mailboxes):
    answering = threading.Event()

    def slow(stage, text, session):
        if stage == "end":
            answering.set()
            time.sleep(2)

    hosts.behaviour[11] = slow
    turnpike = start(settings(hosts, dns, mailboxes,
                              {"connections_per_destination_max": 1, "data_timeout": "20s"}),
                     LISTENERS)
    recipients = [f"x{i}@many.remote.test" for i in range(12)]
    for recipient in recipients:
        send(turnpike, recipient)
    assert answering.wait(10)
    worker = turnpike.processes["outbound-delivery"]
    begin = time.monotonic()
    worker.child.terminate()
    # At once, not when the lease would end: another worker could have them.
    wait_for(lambda: states(turnpike, REMOTE, "many.remote.test")[READY] >= 10, timeout=1.5)
    assert worker.child.wait(20) == 0
    assert time.monotonic() - begin < 10
    assert states(turnpike, REMOTE, "many.remote.test")[LEASED] == 0
    taken = [r for r in recipients if hosts.taken(11, r)]
    assert 1 <= len(taken) <= 2, "the one on its way was finished"
    hosts.behaviour.clear()
    turnpike.restart("outbound-delivery")
    wait_for(lambda: not list_deliveries(turnpike, REMOTE, "many.remote.test"))
    assert [len(hosts.taken(11, r)) for r in recipients] == [1] * 12


def test_pl_07_a_host_that_hangs_does_not_outlast_the_grace_period(start, hosts, dns, mailboxes):
    reached = threading.Event()

    def hang(stage, text, session):
        if stage == "end":
            reached.set()
            time.sleep(30)

    hosts.behaviour[11] = hang
    turnpike = start(settings(hosts, dns, mailboxes, {"data_timeout": "5m"},
                              services={"drain_timeout": "2s"}), LISTENERS)
    send(turnpike, "x@later.remote.test")
    assert reached.wait(10)
    begin = time.monotonic()
    assert turnpike.processes["outbound-delivery"].terminate(15) == 0
    assert 1.5 < time.monotonic() - begin < 8
    [delivery] = list_deliveries(turnpike, REMOTE, "later.remote.test")
    assert delivery.state != LEASED, "it is put off, not stuck"


def test_pl_07_a_client_that_never_ends_does_not_outlast_the_grace_period(start):
    turnpike = start({"gateways": [gateway("customer.test")], "services": {"drain_timeout": "2s"}})
    with Client(turnpike.ports["mx"]) as endless:
        endless.ehlo()
        endless.ask("MAIL FROM:<ann@sender.test>")
        endless.ask("RCPT TO:<x@customer.test>")
        endless.ask("DATA")
        begin = time.monotonic()
        frontend = turnpike.processes["smtp-frontend"]
        frontend.child.terminate()
        while frontend.running() and time.monotonic() - begin < 15:
            try:
                endless.send(b"still here\r\n")
            except OSError:
                break
            time.sleep(0.1)
        assert frontend.child.wait(15) == 0
        assert 1.5 < time.monotonic() - begin < 8
    assert not list_deliveries(turnpike, GATEWAY, "customer.test"), "half a message is none"


@pytest.mark.parametrize("service", ["smtp-frontend", "gateway-dequeue"])
def test_pl_07_an_atrn_session_ends_after_the_message_in_progress(start, service):
    """Whichever of the two is stopped; what was leased for it is held again at once."""
    turnpike = start({"gateways": [gateway("customer.test")], "services": {"drain_timeout": "6s"}},
                     {"mx": {"role": "smtp"}, "odmr": {"role": "odmr"}})
    submit(turnpike.ports["mx"], "customer.test", 20)
    reached = threading.Event()

    def slow(stage, text, session):
        if stage == "end":
            reached.set()
            time.sleep(1)

    server = Server(slow)
    client = login(turnpike.ports["odmr"], "customer.test")
    asked = threading.Thread(target=lambda: atrn(None, "customer.test", server, client=client),
                             daemon=True)
    asked.start()
    assert reached.wait(10)
    begin = time.monotonic()
    assert turnpike.processes[service].terminate(20) == 0
    assert time.monotonic() - begin < 10
    asked.join(10)
    taken = len(server.messages)
    assert 1 <= taken < 20
    wait_for(lambda: states(turnpike, GATEWAY, "customer.test") == {HELD: 20 - taken}, timeout=5)
    turnpike.restart(service)
    rest = wait_for(lambda: atrn(turnpike.ports["odmr"], "customer.test")[1].messages)
    seen = [m.rcpts[0] for m in server.messages + rest]
    assert len(seen) == len(set(seen)) == 20


def test_pl_07_no_connection_is_refused_while_balancers_turn_away(start):
    """Two frontends behind a balancer that looks at /readyz: one is stopped under load."""
    turnpike = start({"gateways": [gateway("customer.test")],
                      "services": {"drain_delay": "2s", "drain_timeout": "5s"}})
    first_port, port, grpc_port, pages = (turnpike.ports["mx"], *(free_port() for _ in range(3)))
    other = copy.deepcopy(turnpike.settings)
    other["smtp"]["listeners"][0]["listen"] = f"127.0.0.1:{port}"
    other["services"]["smtp_frontend"] = {"listen": f"127.0.0.1:{grpc_port}",
                                          "metrics_listen": f"127.0.0.1:{pages}"}
    turnpike.write_config(turnpike.folder / "second.yaml", other)
    turnpike.ports["second/metrics"] = pages
    turnpike.spawn("smtp-frontend", "second", turnpike.folder / "second.yaml")
    turnpike.wait_ready("second")

    ready = {first_port: True, port: True}
    stopping = threading.Event()
    problems, sent = [], []

    def watch():  # as a kubelet does, once in half a second
        while not stopping.is_set():
            for service, its_port in (("smtp-frontend", first_port), ("second", port)):
                try:
                    ready[its_port] = turnpike.http(service, "/readyz") == 200
                except OSError:
                    ready[its_port] = False
            time.sleep(0.5)

    def write():
        number = 0
        while not stopping.is_set():
            number += 1
            targets = [each for each, is_ready in ready.items() if is_ready]
            target = targets[number % len(targets)]
            try:
                with Client(target, timeout=10) as client:
                    client.ehlo()
                    answer = client.mail("ann@sender.test", ["x@customer.test"], message(number))
                    (sent if answer.startswith("250") else problems).append(answer)
                    client.ask("QUIT")
            except OSError as error:
                problems.append(repr(error))

    threads = [threading.Thread(target=watch, daemon=True)]
    threads += [threading.Thread(target=write, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(1)
    assert turnpike.processes["smtp-frontend"].terminate(20) == 0
    time.sleep(1)
    stopping.set()
    for thread in threads:
        thread.join(15)
    assert not problems, problems[:5]
    assert len(sent) > 50
    assert queue_counts(turnpike, "customer.test")[0] == len(sent)


def test_pl_07_idle_and_silent_clients_hear_421(start):
    """Also one that has not said a word yet, and one that has logged in."""
    turnpike = start({"gateways": [gateway("customer.test")]},
                     {"mx": {"role": "smtp"}, "odmr": {"role": "odmr"}})
    silent = Client(turnpike.ports["mx"])
    known = login(turnpike.ports["odmr"], "customer.test")
    begun = Client(turnpike.ports["mx"])
    begun.ehlo()
    begun.ask("MAIL FROM:<ann@sender.test>")
    begun.ask("RCPT TO:<x@customer.test>")
    turnpike.processes["smtp-frontend"].child.terminate()
    for client in (silent, known):
        assert client.reply().startswith("421 4.3.2") and client.closed()
    assert begun.ask("DATA").startswith("354"), "a transaction comes to its end"
    assert begun.ask(stuff(message(1)) + b".\r\n").startswith("250")
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", turnpike.ports["mx"]), timeout=2)
    assert turnpike.processes["smtp-frontend"].child.wait(20) == 0
