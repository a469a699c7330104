"""PL-27: a shard is taken out of service without stranding mail."""

import collections
import queue
import random
import time

import grpc
import pytest

from gateways import GATEWAY, atrn, call, gateway, protos, submit, without_received
from peers.process import Process, wait_for
from peers.smtp import message
from peers.turnpike import binary
from sharded import DEFERRED, HELD, PARKED, READY, ShardedTurnpike
from test_spool import Writer, collect_all

GATEWAYS = [gateway(name) for name in ("customer.test", "second.test", "states.test")]
LISTENERS = {"mx": {"role": "smtp"}, "odmr": {"role": "odmr"}}
WITHOUT_WORKERS = ("auth-service", "gateway-dequeue", "smtp-frontend")


@pytest.fixture
def sharded(tmp_path):
    """Three stores, without outbound-delivery: what is due stays so."""
    with_listeners = ShardedTurnpike(
        tmp_path, {"gateways": GATEWAYS, "smtp": {"store_timeout": "10s"}}, LISTENERS)
    with_listeners.start(WITHOUT_WORKERS)
    yield with_listeners
    with_listeners.stop()


class Stream:
    """A stream to one of a store's methods; what is put goes out, answers are read one by one."""

    def __init__(self, turnpike, store, method, response_class):
        self.channel = grpc.insecure_channel(f"127.0.0.1:{turnpike.ports[store]}")
        self.requests = queue.SimpleQueue()
        self.answers = self.channel.stream_stream(
            f"/turnpike.spool.v1.SpoolService/{method}",
            request_serializer=lambda m: m.SerializeToString(),
            response_deserializer=response_class.FromString)(iter(self.requests.get, None))

    def ask(self, request):
        self.requests.put(request)
        return next(self.answers)

    def close(self):
        self.requests.put(None)
        self.channel.close()


def enqueue(turnpike, store, domain, contents, hold=True):
    """Stores messages in one store, in order."""
    protos()
    from protos.turnpike.spool.v1 import spool_pb2
    stream = Stream(turnpike, store, "Enqueue", spool_pb2.EnqueueResponse)
    request = spool_pb2.EnqueueRequest()
    for number, content in enumerate(contents):
        new = request.items.add().message
        new.message_id = (int(time.time() * 1000).to_bytes(6, "big") + b"\x7a\xbc\x8d" +
                          random.randbytes(7))
        new.envelope.return_path = b"ann@sender.test"
        new.inline_content = content
        new.content_bytes = len(content)
        new.received_time.GetCurrentTime()
        delivery = new.deliveries.add(hold=hold)
        delivery.queue.kind, delivery.queue.name = GATEWAY, domain
        delivery.recipients.add(address=f"user{number}@{domain}".encode())
        if len(request.items) == 500 or number + 1 == len(contents):
            stream.requests.put(request)
            results = []
            while len(results) < len(request.items):
                results += next(stream.answers).results
            assert {result.outcome for result in results} == {1}, results  # STORED
            request = spool_pb2.EnqueueRequest()
    stream.close()


def settle_each(turnpike, store, domain, count, change):
    """Leases `count` deliveries of a gateway, and settles each as `change` says."""
    protos()
    from protos.turnpike.spool.v1 import spool_pb2
    lease = Stream(turnpike, store, "Lease", spool_pb2.LeaseResponse)
    settle = Stream(turnpike, store, "Settle", spool_pb2.SettleResponse)
    request = spool_pb2.LeaseRequest(credit=count)
    request.open.queue.queue.kind, request.open.queue.queue.name = GATEWAY, domain
    request.open.queue.recipient_domains.append(domain)
    leased = []
    answer = lease.ask(request)
    leased += answer.deliveries
    while len(leased) < count:
        leased += next(lease.answers).deliveries
    for delivery in leased:
        request = spool_pb2.SettleRequest()
        settlement = request.settlements.add(token=delivery.token)
        for index in delivery.recipient_indexes:
            outcome = settlement.outcomes.add(index=index, disposition=3)  # DELAYED
            outcome.reply.code = 451
        change(settlement)
        assert settle.ask(request).results[0].outcome == 1  # SETTLED
    lease.close()
    settle.close()


def release(turnpike, store, domain):
    protos()
    from protos.turnpike.spool.v1 import spool_pb2
    request = spool_pb2.ReleaseQueueRequest(request_id="test")
    request.queue.kind, request.queue.name = GATEWAY, domain
    request.route.address = "192.0.2.25"
    call(turnpike, store, "turnpike.spool.v1.SpoolService/ReleaseQueue", request,
         spool_pb2.ReleaseQueueResponse)


def fill_states(turnpike, store):
    """Mail of states.test in each state; what the store knows of it, by message."""
    later = int(time.time()) + 3600
    enqueue(turnpike, store, "states.test", [message(n) for n in range(5)])
    settle_each(turnpike, store, "states.test", 5,
                lambda settlement: settlement.defer_until.FromSeconds(later))
    release(turnpike, store, "states.test")  # before: these are due
    enqueue(turnpike, store, "states.test", [message(n) for n in range(5, 10)])
    release(turnpike, store, "states.test")
    enqueue(turnpike, store, "second.test", [message(n) for n in range(5)])
    settle_each(turnpike, store, "second.test", 5, lambda s: setattr(s, "park", True))
    enqueue(turnpike, store, "second.test", [message(n) for n in range(5, 10)])
    settle_each(turnpike, store, "second.test", 5,
                lambda settlement: settlement.defer_until.FromSeconds(later))
    enqueue(turnpike, store, "second.test", [message(n) for n in range(10, 15)])


def known(deliveries):
    """What must not change by a move, by message."""
    return {delivery.message_id: (
        delivery.state, delivery.queue.name, tuple(r.address for r in delivery.recipients),
        delivery.attempts, delivery.received_time.ToNanoseconds(),
        delivery.next_attempt_time.seconds if delivery.state == DEFERRED else None,
        delivery.last_attempt_time.ToNanoseconds(),
        delivery.content_bytes, delivery.envelope.return_path, delivery.outcome_unknown)
        for delivery in deliveries}


def test_pl_27_a_drained_shards_mail_is_with_the_others_as_it_was(sharded):
    enqueue(sharded, "spool-store-1", "customer.test", [message(n, 500) for n in range(400)])
    fill_states(sharded, "spool-store-1")
    before = known(sharded.deliveries(1))
    states = collections.Counter(one[0] for one in before.values())
    assert states == {HELD: 405, READY: 10, DEFERRED: 5, PARKED: 5}, states

    assert sharded.set_draining(1).draining
    sharded.wait_empty(1)
    assert known(sharded.deliveries(0) + sharded.deliveries(2)) == before
    shard = sharded.shard(1)
    assert (shard.draining, shard.accepting, shard.drain_error) == (True, False, "")
    assert sharded.metric("spool-store-1", "turnpike_spool_draining") == 1
    assert sharded.metric("spool-store-1", "turnpike_spool_moved_total", direction="out") == 425
    assert sum(sharded.metric(f"spool-store-{n}", "turnpike_spool_moved_total", direction="in")
               for n in (0, 2)) == 425

    # It can be taken away: mail goes on without it, and is collected in its order.
    sharded.processes["spool-store-1"].terminate()
    submit(sharded.ports["mx"], "customer.test", 3, 400, size=500)
    _, server = atrn(sharded.ports["odmr"], "customer.test")
    contents = [taken.content for taken in server.messages]
    old = [content for content in contents if not content.startswith(b"Received: ")]
    assert old == [message(n, 500) for n in range(400)]
    new = [without_received(content) for content in contents if content not in old]
    assert sorted(new) == sorted(message(n, 500) for n in range(400, 403))


def test_pl_27_kill_9_of_both_sides_while_a_shard_is_drained_under_load(sharded):
    numbers = list(range(12000))
    enqueue(sharded, "spool-store-1", "second.test", [message(n, 300) for n in numbers])
    writers = [Writer(sharded.ports["mx"], f"w{n}") for n in range(4)]
    for writer in writers:
        writer.start()
    wait_for(lambda: sum(len(w.acknowledged) for w in writers) > 100, what="load")
    sharded.set_draining(1)
    kills = 0
    for victim in (0, 2, 1, 0, 2, 1, 2, 0):
        left = sharded.shard(1).deliveries
        if not left:
            break
        # While mail is moving, not only before or after that.
        wait_for(lambda: sharded.shard(1).deliveries < left, 30, what="mail being moved")
        time.sleep(random.uniform(0, 0.05))
        sharded.kill(sharded.shards[victim])
        kills += 1
        sharded.restart(sharded.shards[victim])
    assert kills >= 3, "too little mail to meet a move under way"
    sharded.wait_empty(1, 120)
    for writer in writers:
        writer.stopping = True
    for writer in writers:
        writer.join(30)

    found = []
    for number in (0, 2):
        of_shard = [int(one.recipients[0].address.decode()[4:].split("@")[0])
                    for one in sharded.deliveries(number, GATEWAY, "second.test")]
        found += of_shard
        assert of_shard == sorted(of_shard), "in a shard a queue's mail is in its order"
    assert sorted(found) == numbers
    acknowledged = [number for writer in writers for number in writer.acknowledged]
    assert len(acknowledged) > 100
    counts = collections.Counter(collect_all(sharded))
    missing = [number for number in acknowledged if not counts[number]]
    assert not missing, f"{len(missing)} of {len(acknowledged)} acknowledged messages are lost"
    doubled = [number for number in counts if counts[number] > 1]
    assert not doubled, f"there twice: {doubled[:5]}"


def test_pl_27_a_drain_goes_on_when_its_targets_are_back(sharded):
    enqueue(sharded, "spool-store-1", "customer.test", [message(n, 300) for n in range(5)])
    protos()
    from protos.turnpike.spool.v1 import spool_pb2
    lease = Stream(sharded, "spool-store-1", "Lease", spool_pb2.LeaseResponse)
    request = spool_pb2.LeaseRequest(credit=5)
    request.open.queue.queue.kind, request.open.queue.queue.name = GATEWAY, "customer.test"
    request.open.queue.recipient_domains.append("customer.test")
    assert len(lease.ask(request).deliveries) == 5
    sharded.set_draining(1)
    time.sleep(1)
    shard = sharded.shard(1)
    assert (shard.deliveries, shard.leased) == (5, 5), "what is leased stays until its lease ends"
    sharded.kill("spool-store-0")
    sharded.kill("spool-store-2")
    lease.close()
    wait_for(lambda: "is away" in sharded.shard(1).drain_error, what="a reason")
    assert sharded.shard(1).deliveries == 5
    sharded.restart("spool-store-2")
    sharded.wait_empty(1)
    assert sharded.shard(1).drain_error == ""
    sharded.restart("spool-store-0")
    collected = []

    def collect():  # shard 0 keeps who collects; it is found again within seconds
        reply, server = atrn(sharded.ports["odmr"], "customer.test")
        collected.extend(server.messages)
        return reply.startswith("250")

    wait_for(collect, what="shard 0 being found again")
    assert len(collected) == 5


def test_pl_27_a_drain_is_refused_where_it_would_strand_mail_and_can_be_stopped(sharded):
    with pytest.raises(grpc.RpcError) as refused:
        sharded.set_draining(0)
    assert refused.value.code().name == "FAILED_PRECONDITION"
    assert "shard 0 keeps the state that the services share" in refused.value.details()
    sharded.set_draining(1)
    sharded.set_draining(2)
    sharded.kill("spool-store-0")
    sharded.set_draining(2, False)
    with pytest.raises(grpc.RpcError) as refused:
        sharded.set_draining(2)
    assert refused.value.code().name == "FAILED_PRECONDITION"
    assert "no other shard takes mail" in refused.value.details()
    assert not sharded.set_draining(1, False).draining
    sharded.restart("spool-store-0")
    submit(sharded.ports["mx"], "customer.test", 9)
    assert sum(sharded.shard(n).deliveries for n in range(3)) == 9


def test_pl_27_only_taking_mail_is_unhealthy_while_a_shard_is_drained(sharded):
    def serving(name):
        check = b"\x0a" + bytes([len(name)]) + name.encode() if name else b""
        with grpc.insecure_channel(f"127.0.0.1:{sharded.ports['spool-store-1']}") as channel:
            answer = channel.unary_unary("/grpc.health.v1.Health/Check")(check, timeout=5)
        return answer == b"\x08\x01"

    wait_for(lambda: serving("turnpike.spool.v1.Enqueue"), what="Enqueue being served")
    sharded.set_draining(1)
    wait_for(lambda: not serving("turnpike.spool.v1.Enqueue"), what="Enqueue being unhealthy")
    assert serving("") and serving("turnpike.spool.v1.SpoolService")
    assert sharded.http("spool-store-1", "/readyz") == 200
    sharded.set_draining(1, False)
    wait_for(lambda: serving("turnpike.spool.v1.Enqueue"), what="Enqueue being served")


def run_store(sharded, number, store):
    """Starts a store under a number that may be wrong; its exit code and what it says."""
    process = Process([binary("spool-store"), "--config", sharded.store_config(store),
                       "--shard", number], sharded.folder / "wrong.log")
    try:
        return process.child.wait(20), process.log_text()
    finally:
        process.kill()


def test_pl_24_a_store_under_a_wrong_number_does_not_start(sharded):
    sharded.processes["spool-store-2"].terminate()
    code, text = run_store(sharded, 1, "spool-store-2")
    assert code == 1 and "is that of shard 2, and this store is shard 1" in text
    assert "--shard 2" in text
    code, text = run_store(sharded, 3, "spool-store-2")
    assert code == 1 and "spool.shards names 0 to 2 only" in text
