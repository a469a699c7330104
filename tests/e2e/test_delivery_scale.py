"""DL-40 and DL-42: limits over all workers, hosts that are slow, dead or overloaded beside good ones,
and workers that come and go."""

import re
import threading
import time

import pytest

from delivery_site import (LISTENERS, dns, hosts, login, mailboxes, send, settings,  # noqa: F401
                           well_behaved)
from gateways import REMOTE, list_deliveries
from peers.dns import Dns
from peers.process import free_port, wait_for
from peers.smtp import message

ZONES = {
    "remote.test":
        "first 60 A 127.0.0.11\nsecond 60 A 127.0.0.12\nthird 60 A 127.0.0.13\n"
        "fourth 60 A 127.0.0.14\nabsent 60 A 127.0.0.98\n"
        "*.good 60 MX 10 first\n*.hang 60 MX 10 second\n*.dead 60 MX 10 absent\n"
        "one 60 MX 10 third\nload 60 MX 10 fourth\nminute 60 MX 10 third\n",
}


@pytest.fixture(scope="module")
def dns(tmp_path_factory):  # noqa: F811
    with Dns(tmp_path_factory.mktemp("dns"), ZONES) as server:
        yield server


def add_worker(turnpike, number, tmp_path):
    """A further outbound-delivery with the same configuration; its name."""
    config = tmp_path / f"worker{number}.yaml"
    endpoints = {**turnpike.settings["services"], "outbound_delivery": {
        "listen": f"127.0.0.1:{free_port()}", "metrics_listen": f"127.0.0.1:{free_port()}"}}
    turnpike.write_config(config, {**turnpike.settings, "services": endpoints})
    name = f"outbound-delivery-{number}"
    turnpike.spawn("outbound-delivery", name=name, config=config)
    return name, config


def submit_many(turnpike, recipients):
    with login(turnpike) as client:
        for number, recipient in enumerate(recipients):
            answer = client.mail("ann@sender.test", [recipient], message(number))
            assert answer.startswith("250"), answer


class Gauge:
    """How many connections a scripted host has at one time, and had at most."""

    def __init__(self, pause=0.05):
        self.lock = threading.Lock()
        self.now, self.most, self.pause = set(), 0, pause

    def __call__(self, stage, text, session):
        with self.lock:
            if stage == "connect":
                self.now.add(session["number"])
                self.most = max(self.most, len(self.now))
            if stage == "quit":
                self.now.discard(session["number"])
        if stage == "end":
            time.sleep(self.pause)


def test_dl_40_the_limit_of_connections_holds_over_all_workers(start, hosts, dns, mailboxes,
                                                               tmp_path):
    turnpike = start(settings(hosts, dns, mailboxes, {
        "connections_per_destination_max": 3, "idle_timeout": "100ms"}), LISTENERS)
    for number in (2, 3):
        add_worker(turnpike, number, tmp_path)
    gauge = hosts.behaviour[13] = Gauge()
    total = 120
    submit_many(turnpike, [f"n{number}@one.remote.test" for number in range(total)])
    wait_for(lambda: len([m for m in hosts.servers[13].messages if "@one." in m.rcpts[0]]) == total,
             timeout=60)
    assert 2 <= gauge.most <= 3, gauge.most


def test_dl_40_messages_a_minute_hold_over_all_workers(start, hosts, dns, mailboxes, tmp_path):
    turnpike = start(settings(hosts, dns, mailboxes, {"routes": [
        {"domains": ["minute.remote.test"], "messages_per_minute_max": 10}]}), LISTENERS)
    add_worker(turnpike, 2, tmp_path)
    submit_many(turnpike, [f"m{number}@minute.remote.test" for number in range(25)])
    taken = lambda: len([m for m in hosts.servers[13].messages if "@minute." in m.rcpts[0]])
    wait_for(lambda: taken() >= 8, timeout=20)
    time.sleep(4)
    assert taken() <= 12, "ten, and what the window lets through as it moves"
    assert len(list_deliveries(turnpike, REMOTE, "minute.remote.test")) >= 13


def test_dl_40_a_host_that_says_it_is_too_much_gets_fewer_connections(start, hosts, dns, mailboxes):
    turnpike = start(settings(hosts, dns, mailboxes, {
        "connections_per_destination_max": 20, "idle_timeout": "200ms"},
        retry={"first_interval": "1s"}), LISTENERS)
    lock, busy, most_after = threading.Lock(), set(), []
    refusals = []

    def overloaded(stage, text, session):
        with lock:
            if stage == "mail":
                busy.add(session["number"])
                if len(busy) > 4:
                    busy.discard(session["number"])
                    refusals.append(time.monotonic())
                    return "421 4.3.2 too many connections"
                most_after.append((time.monotonic(), len(busy)))
        if stage == "end":
            time.sleep(0.05)
            with lock:
                busy.discard(session["number"])
        return None

    hosts.behaviour[14] = overloaded
    total = 200
    submit_many(turnpike, [f"l{number}@load.remote.test" for number in range(total)])
    wait_for(lambda: len([m for m in hosts.servers[14].messages if "@load." in m.rcpts[0]]) == total,
             timeout=60)
    assert refusals, "it was too much once"
    assert turnpike.metric("outbound-delivery", "turnpike_delivery_throttled_total") >= 1
    assert len(refusals) <= 20, f"{len(refusals)} refusals: it goes on asking for too much"


def test_dl_40_hanging_and_dead_destinations_cost_the_others_nothing(start, hosts, dns, mailboxes):
    """Many more deliveries for hosts that hang than the worker may lease at one time."""
    turnpike = start(settings(hosts, dns, mailboxes, {
        "leases_max": 40, "command_timeout": "20s", "connect_timeout": "20s"}), LISTENERS)
    hosts.behaviour[12] = lambda stage, text, session: (
        time.sleep(15) if stage == "connect" else None)
    hanging = [f"h{number}@d{number % 20}.hang.remote.test" for number in range(200)]
    dead = [f"h{number}@d{number % 20}.dead.remote.test" for number in range(100)]
    submit_many(turnpike, hanging + dead)
    wait_for(lambda: turnpike.metric("outbound-delivery", "turnpike_delivery_queues_paused") > 0,
             what="the hanging ones being set aside")
    begin = time.monotonic()
    good = [f"g{number}@d{number % 50}.good.remote.test" for number in range(200)]
    submit_many(turnpike, good)
    wait_for(lambda: len([m for m in hosts.servers[11].messages
                          if ".good.remote.test" in m.rcpts[0]]) == 200, timeout=14)
    assert time.monotonic() - begin < 14, "before the first of the hanging ones has ended"
    hosts.behaviour.clear()
    wait_for(lambda: len([m for m in hosts.servers[12].messages
                          if ".hang.remote.test" in m.rcpts[0]]) == 200, timeout=90)
    assert len({m.rcpts[0] for m in hosts.servers[12].messages}) == 200, "each one once"


def test_dl_40_a_host_that_hangs_in_the_middle_keeps_few_connections(start, hosts, dns, mailboxes):
    turnpike = start(settings(hosts, dns, mailboxes, {
        "leases_max": 40, "data_timeout": "20s", "command_timeout": "20s"}), LISTENERS)
    hosts.behaviour[12] = lambda stage, text, session: (
        time.sleep(10) if stage == "end" and ".hang." in session["rcpts"][0] else None)
    before = hosts.servers[12].connections
    submit_many(turnpike, [f"k{number}@d{number % 5}.hang.remote.test" for number in range(100)])
    time.sleep(4)
    submit_many(turnpike, [f"q{number}@d{number}.good.remote.test" for number in range(40)])
    wait_for(lambda: len([m for m in hosts.servers[11].messages
                          if "<q" in m.rcpts[0]]) == 40, timeout=6)
    assert hosts.servers[12].connections - before <= 5


def test_dl_42_workers_killed_under_load_lose_nothing(start, hosts, dns, mailboxes, tmp_path):
    """Three workers; two of them are killed -9 again and again while mail comes and goes."""
    turnpike = start(settings(hosts, dns, mailboxes), LISTENERS)
    workers = [add_worker(turnpike, number, tmp_path) for number in (2, 3)]
    in_flight = {}  # by connection of the host: its message between MAIL and the record of its 250
    lock = threading.Lock()

    def slowly(stage, text, session):
        with lock:
            if stage == "rcpt":
                in_flight[session["number"]] = text
        if stage == "end":
            time.sleep(0.01)
        return None

    hosts.behaviour[11] = slowly
    total = 600
    done = threading.Event()

    def submit_all():
        submit_many(turnpike, [f"k{number}@d{number % 30}.good.remote.test"
                               for number in range(total)])
        done.set()

    thread = threading.Thread(target=submit_all)
    thread.start()
    kills = 0
    while not done.is_set() and kills < 8:
        time.sleep(0.5)
        name, config = workers[kills % 2]
        turnpike.kill(name)
        turnpike.spawn("outbound-delivery", name=name, config=config)
        kills += 1
    thread.join()

    def taken():
        found = {}
        for one in hosts.servers[11].messages:
            match = re.search(r"<(k\d+)@d", one.rcpts[0])
            if match:
                found[match.group(1)] = found.get(match.group(1), 0) + 1
        return found

    wait_for(lambda: len(taken()) == total, timeout=60, what="every message")
    wait_for(lambda: not list_deliveries(turnpike), timeout=60)
    doubled = {name: count for name, count in taken().items() if count > 1}
    assert max(doubled.values(), default=1) <= 1 + kills
    assert len(doubled) <= kills * 20, f"{len(doubled)} doubled: more than the killed had in flight"


def test_dl_42_a_worker_that_is_asked_to_end_hands_back_what_it_has_not_begun(start, hosts, dns,
                                                                             mailboxes, tmp_path):
    turnpike = start(settings(hosts, dns, mailboxes), LISTENERS)
    name, _ = add_worker(turnpike, 2, tmp_path)
    hosts.behaviour[11] = Gauge(0.02)
    thread = threading.Thread(target=submit_many, args=(
        turnpike, [f"t{number}@d{number % 10}.good.remote.test" for number in range(200)]))
    thread.start()
    time.sleep(1)
    assert turnpike.processes[name].terminate() == 0
    thread.join()
    taken = lambda: [m.rcpts[0] for m in hosts.servers[11].messages if "<t" in m.rcpts[0]]
    wait_for(lambda: len(set(taken())) == 200, timeout=40)
    assert len(taken()) == 200, "none twice"
