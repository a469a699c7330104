"""PL-24: the spool over several stores, one of which may be away."""

import threading
import time

import pytest

from gateways import atrn, gateway, submit, without_received
from peers.process import free_port, wait_for
from peers.smtp import Client, Server, message
from sharded import ShardedTurnpike

SHARDS = 3
DOMAIN = "customer.test"


class Sharded(ShardedTurnpike):
    """Shards are called by their numbers."""

    def start_shard(self, number):
        self.restart(f"spool-store-{number}")

    def kill_shard(self, number):
        self.kill(f"spool-store-{number}")

    def held(self, number):
        """What one shard holds for the gateway."""
        return self.ctl_json("queue", "describe", f"gateway/{DOMAIN}",
                             "--shard", str(number))["held"]


@pytest.fixture(scope="module")
def sink():
    with Server(address="127.0.0.2", port=free_port("127.0.0.2")) as server:
        yield server


@pytest.fixture(scope="module")
def turnpike(tmp_path_factory, sink):
    turnpike = Sharded(
        tmp_path_factory.mktemp("sharded"),
        {
            "gateways": [gateway(DOMAIN, {"port": sink.port, "require_auth": False})],
            "delivery": {"allow_loopback_hosts": True, "connect_timeout": "3s"},
            "retry": {"first_interval": "1s", "first_period": "1h"},
        },
        {"mx": {"role": "smtp"}, "odmr": {"role": "odmr"}})
    try:
        turnpike.start()
        # Frontends connect to all before they give any of them mail.
        wait_for(lambda: turnpike.ctl("shards").returncode == 0, what="all shards")
        time.sleep(0.5)
        yield turnpike
    finally:
        turnpike.stop()


@pytest.fixture(autouse=True)
def all_there_and_empty(turnpike, sink):
    for number in range(SHARDS):
        if not turnpike.processes[f"spool-store-{number}"].running():
            turnpike.start_shard(number)
    # Services find a shard that was restarted within two seconds.
    wait_for(lambda: not collect(turnpike) and not any(map(turnpike.held, range(SHARDS))),
             timeout=30, what="an empty spool")
    sink.messages.clear()
    yield


def contents(server):
    return [without_received(each.content) for each in server.messages]


def collect(turnpike, until="453"):
    """The contents that one ATRN session after another brings, until there is nothing more."""
    taken = []
    for _ in range(50):
        reply, server = atrn(turnpike.ports["odmr"], DOMAIN)
        taken += contents(server)
        if reply.startswith(until):
            return taken
        if not reply.startswith("250"):
            time.sleep(0.2)
    raise AssertionError(f"ATRN is still answered {reply}")


def etrn(turnpike):
    with Client(turnpike.ports["mx"], source="127.0.0.2") as client:
        client.ehlo()
        return client.ask(f"ETRN {DOMAIN}")


def test_pl_24_intake_is_spread_evenly_and_collected_from_all(turnpike):
    sent = submit(turnpike.ports["mx"], DOMAIN, 90)
    held = [turnpike.held(number) for number in range(SHARDS)]
    assert sum(held) == 90 and min(held) >= 12, held
    assert sorted(collect(turnpike)) == sorted(sent)


def test_pl_24_operators_see_all_shards_as_one(turnpike):
    submit(turnpike.ports["mx"], DOMAIN, 30)
    shards = turnpike.ctl_json("shards")
    assert [(each["number"], each["state"]) for each in shards] == [
        (0, "accepting"), (1, "accepting"), (2, "accepting")]
    assert sum(int(each["deliveries"]) for each in shards) == 30
    assert turnpike.ctl_json("queue", "describe", f"gateway/{DOMAIN}")["held"] == 30
    ids = turnpike.ctl("messages", "-o", "name").stdout.split()
    assert len(set(ids)) == 30 and {int(each) >> 48 for each in ids} == {0, 1, 2}
    assert turnpike.ctl("message", "describe", ids[0], ids[-1]).returncode == 0
    assert turnpike.ctl("message", "cat", ids[-1]).stdout.startswith("Received:")
    assert turnpike.ctl("message", "delete", *ids, "--yes").returncode == 0
    assert turnpike.ctl("messages", "-o", "name").stdout == ""


def test_pl_24_large_messages_go_to_one_shard_each(turnpike):
    sent = submit(turnpike.ports["mx"], DOMAIN, 9, size=700_000)
    assert sum(turnpike.held(number) > 0 for number in range(SHARDS)) >= 2
    assert sorted(collect(turnpike)) == sorted(sent)


def test_pl_24_a_shard_that_is_away_delays_only_its_own_mail(turnpike):
    before = submit(turnpike.ports["mx"], DOMAIN, 45)
    kept = turnpike.held(1)
    assert kept > 0
    turnpike.kill_shard(1)
    begin = time.monotonic()
    after = submit(turnpike.ports["mx"], DOMAIN, 45, first=1000)
    assert time.monotonic() - begin < 15
    # 453 would say that there is no mail.
    first = collect(turnpike, until="451")
    assert len(first) == 90 - kept and set(after) <= set(first)
    assert turnpike.ctl_json("gateway", "describe", DOMAIN)["queue"]["shards_away"] == 1
    listed = turnpike.ctl("queues")
    assert listed.returncode == 4 and "cannot reach" in listed.stderr, listed
    turnpike.start_shard(1)
    rest = []
    wait_for(lambda: rest.extend(collect(turnpike)) or len(rest) >= kept, what="the shard's mail")
    assert sorted(first + rest) == sorted(before + after)


def test_pl_24_etrn_releases_in_all_shards(turnpike, sink):
    sent = submit(turnpike.ports["mx"], DOMAIN, 30)
    assert etrn(turnpike)[:3] in ("250", "252", "253")
    wait_for(lambda: len(sink.messages) >= 30, what="all mail")
    assert sorted(contents(sink)) == sorted(sent)


def test_pl_24_etrn_without_a_shard_delivers_what_the_others_have(turnpike, sink):
    sent = submit(turnpike.ports["mx"], DOMAIN, 30)
    kept = turnpike.held(2)
    assert kept > 0
    turnpike.kill_shard(2)
    assert etrn(turnpike).startswith("458")
    wait_for(lambda: len(sink.messages) >= 30 - kept, what="the others' mail")
    turnpike.start_shard(2)
    wait_for(lambda: etrn(turnpike)[:2] == "25", what="ETRN")
    wait_for(lambda: len(sink.messages) >= 30, timeout=30, what="all mail")
    assert sorted(contents(sink)) == sorted(sent)


def test_pl_24_killed_shards_lose_nothing_and_double_nothing(turnpike):
    accepted, refused, lock = [], [], threading.Lock()
    stop = threading.Event()

    def send(worker):
        number = worker * 1_000_000
        client = None
        while not stop.is_set():
            number += 1
            content = message(number)
            try:
                if client is None:
                    client = Client(turnpike.ports["mx"], timeout=90)
                    client.ehlo()
                answer = client.mail("ann@sender.test", [f"user@{DOMAIN}"], content)
            except OSError as error:
                client, answer = None, f"000 {error}"
            with lock:
                (accepted if answer.startswith("250") else refused).append(content)
            if not answer.startswith("250") and client is not None:
                client.close()
                client = None

    threads = [threading.Thread(target=send, args=(worker,)) for worker in range(6)]
    for thread in threads:
        thread.start()
    for round_number in range(6):
        time.sleep(1.0)
        turnpike.kill_shard(round_number % SHARDS)
        time.sleep(0.5)
        turnpike.start_shard(round_number % SHARDS)
    time.sleep(1.0)
    stop.set()
    for thread in threads:
        thread.join()
    taken = []
    wait_for(lambda: taken.extend(collect(turnpike)) or len(taken) >= len(accepted), timeout=60,
             what="all that was accepted")
    assert len(accepted) > 100
    assert len(taken) == len(set(taken))
    assert set(accepted) <= set(taken) <= set(accepted) | set(refused)


def test_pl_24_stored_mail_of_a_killed_shard_is_delivered_once(turnpike, sink):
    sent = submit(turnpike.ports["mx"], DOMAIN, 60)
    assert etrn(turnpike)[:2] == "25"
    for number in range(SHARDS):
        turnpike.kill_shard(number)
        time.sleep(0.3)
        turnpike.start_shard(number)
    wait_for(lambda: set(contents(sink)) >= set(sent), timeout=60, what="all mail")
    wait_for(lambda: turnpike.ctl("messages", "-o", "name").stdout == "", what="an empty spool")
    # What was with a worker when its shard was killed is settled by its old lease, or known again.
    assert sorted(contents(sink)) == sorted(sent)


def test_pl_20_shared_state_is_of_the_first_shard(turnpike):
    """Without it ATRN's single session cannot be kept: 451 or 450, and mail waits."""
    submit(turnpike.ports["mx"], DOMAIN, 6)
    turnpike.kill_shard(0)
    reply, _ = atrn(turnpike.ports["odmr"], DOMAIN)
    assert reply[:2] == "45" and not reply.startswith("453"), reply
    turnpike.start_shard(0)
    wait_for(lambda: collect(turnpike), what="the mail")


def test_pl_24_intake_waits_for_the_first_shard_that_is_back(turnpike):
    sent = submit(turnpike.ports["mx"], DOMAIN, 12)
    for number in range(SHARDS):
        turnpike.kill_shard(number)
    with Client(turnpike.ports["mx"], timeout=120) as client:
        client.ehlo()
        answers = []
        thread = threading.Thread(target=lambda: answers.append(
            client.mail("ann@sender.test", [f"late@{DOMAIN}"], message(77))))
        thread.start()
        time.sleep(1)
        assert answers == []
        for number in range(SHARDS):
            turnpike.start_shard(number)
        thread.join()
    assert answers[0].startswith("250"), answers
    taken = []
    wait_for(lambda: taken.extend(collect(turnpike)) or len(taken) > 12, what="all mail")
    assert sorted(taken) == sorted(sent + [message(77)])
