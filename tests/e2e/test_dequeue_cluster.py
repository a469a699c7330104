"""DQ-32: one ATRN session of a gateway at a time, over two smtp-frontends and two
gateway-dequeues; the lock outlives neither its connection nor its holder."""

import copy
import socket
import threading
import time

import pytest

from gateways import (PASSWORD, atrn, describe_gateway, gateway, login, queue_counts, submit,
                      without_received)
from peers.process import free_port, wait_for
from peers.smtp import Client, Server


class SecondHalf:
    """Another smtp-frontend, which asks another gateway-dequeue, beside those of `turnpike`."""

    FRONTEND, DEQUEUE = "frontend-b", "dequeue-b"

    def __init__(self, turnpike):
        self.turnpike = turnpike
        self.ports = {}
        settings = copy.deepcopy(turnpike.settings)
        for listener in settings["smtp"]["listeners"]:
            self.ports[listener["name"]] = free_port()
            listener["listen"] = f"127.0.0.1:{self.ports[listener['name']]}"
        for name, key in ((self.FRONTEND, "smtp_frontend"), (self.DEQUEUE, "gateway_dequeue")):
            self.ports[name], turnpike.ports[name + "/metrics"] = free_port(), free_port()
            settings["services"][key] = {
                "listen": f"127.0.0.1:{self.ports[name]}",
                "metrics_listen": f"127.0.0.1:{turnpike.ports[name + '/metrics']}"}
        self.config = turnpike.folder / "second.yaml"
        turnpike.write_config(self.config, settings)
        self.start(self.DEQUEUE)
        self.start(self.FRONTEND)

    def start(self, name):
        service = {self.FRONTEND: "smtp-frontend", self.DEQUEUE: "gateway-dequeue"}[name]
        self.turnpike.spawn(service, name=name, config=self.config)
        self.turnpike.wait_ready(name)


@pytest.fixture(scope="module")
def turnpike(start):
    return start(
        {"gateways": [gateway("customer.test"), gateway("shared.test",
                                                        atrn={"single_session": False})]},
        {"mx": {"role": "smtp"}, "odmr": {"role": "odmr"}})


@pytest.fixture(scope="module")
def second(turnpike):
    return SecondHalf(turnpike)


@pytest.fixture(autouse=True)
def empty_queue(turnpike, second):
    yield
    wait_for(lambda: atrn(turnpike.ports["odmr"], "customer.test")[0][:3] in ("250", "453"),
             timeout=60)
    assert queue_counts(turnpike, "customer.test") == (0, 0, 0, 0)


def ask(port, domain="customer.test"):
    """Asks for the mail and holds the session open; the connection, and the reply's code."""
    client = login(port, domain)
    return client, client.ask("ATRN")[:3]


def collect_when_free(port, timeout):
    return wait_for(lambda: (lambda r: r if r[0].startswith("250") else None)(
        atrn(port, "customer.test")), timeout, interval=0.2, what="the lock being free")[1]


def test_dq_32_a_second_session_is_refused_by_the_other_frontend(turnpike, second):
    contents = submit(turnpike.ports["mx"], "customer.test", 2)
    first, code = ask(turnpike.ports["odmr"])
    assert code == "250"
    other, code = ask(second.ports["odmr"])
    assert code == "450"
    [session] = describe_gateway(turnpike, "customer.test", second.ports["dequeue-b"]
                                 ).running_sessions
    assert session.client_address == "127.0.0.1"
    first.close()  # it ends with its connection …
    server = collect_when_free(second.ports["odmr"], 5)
    assert [without_received(m.content) for m in server.messages] == contents


def test_dq_32_the_lock_is_kept_longer_than_it_lives_without_renewal(turnpike, second):
    submit(turnpike.ports["mx"], "customer.test", 1)
    first, code = ask(turnpike.ports["odmr"])
    assert code == "250"
    time.sleep(35)
    other, code = ask(second.ports["odmr"])
    assert code == "450"
    first.close()


def test_dq_32_it_ends_when_the_frontend_is_killed(turnpike, second):
    contents = submit(turnpike.ports["mx"], "customer.test", 3)
    first, code = ask(second.ports["odmr"])
    assert code == "250"
    turnpike.kill(second.FRONTEND)
    server = collect_when_free(turnpike.ports["odmr"], 10)
    assert [without_received(m.content) for m in server.messages] == contents
    second.start(second.FRONTEND)


def test_dq_32_it_ends_when_the_gateway_dequeue_is_killed(turnpike, second):
    """The session ends after the message in progress; nothing is lost, nothing sent twice."""
    contents = submit(turnpike.ports["mx"], "customer.test", 30)
    killed = threading.Event()

    def respond(stage, text, session):
        if stage == "end":
            if len(server.messages) == 3:
                turnpike.kill(second.DEQUEUE)
                killed.set()
            time.sleep(0.05)
        return None

    server = Server(respond)
    atrn(second.ports["odmr"], "customer.test", server)
    assert killed.is_set() and 3 < len(server.messages) < 30
    assert server.transcripts[0][-1] == "QUIT"
    rest = collect_when_free(turnpike.ports["odmr"], 45)  # the lock lives for 30 s
    got = [without_received(m.content) for m in server.messages + rest.messages]
    assert got == contents
    second.start(second.DEQUEUE)


def test_dq_32_it_ends_when_the_connection_is_reset(turnpike, second):
    submit(turnpike.ports["mx"], "customer.test", 1)
    first, code = ask(turnpike.ports["odmr"])
    assert code == "250"
    first.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    first.close()
    assert len(collect_when_free(second.ports["odmr"], 5).messages) == 1


def test_dq_32_sessions_that_share_never_give_a_message_to_two(turnpike, second):
    submit(turnpike.ports["mx"], "shared.test", 60)
    servers = [Server(lambda stage, text, session: time.sleep(0.002) if stage == "end" else None)
               for _ in range(4)]
    threads = [threading.Thread(target=atrn, args=(port, "shared.test", server))
               for server, port in zip(servers, [turnpike.ports["odmr"], second.ports["odmr"]] * 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken = [m.content for server in servers for m in server.messages]
    assert len(taken) == len(set(taken)) == 60


def test_dq_32_the_interval_holds_across_frontends_too(start):
    """DQ-36 with two frontends."""
    turnpike = start({"gateways": [gateway("slow.test", atrn={"min_interval": "1h"})]},
                     {"mx": {"role": "smtp"}, "odmr": {"role": "odmr"}})
    other = SecondHalf(turnpike)
    submit(turnpike.ports["mx"], "slow.test", 1)
    assert atrn(turnpike.ports["odmr"], "slow.test")[0].startswith("250")
    submit(turnpike.ports["mx"], "slow.test", 1)
    assert atrn(other.ports["odmr"], "slow.test")[0].startswith("450")
