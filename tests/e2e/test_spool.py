"""PL-20 to PL-22: what is acknowledged is never lost, and almost never doubled."""

import collections
import random
import threading
import time

from gateways import GATEWAY, PASSWORD, atrn, gateway, list_deliveries, queue_counts, without_received
from peers.process import wait_for
from peers.smtp import Client, Server, message


class Writer(threading.Thread):
    """Sends numbered messages until told to stop, whatever happens; remembers those that got 250."""

    def __init__(self, port, name):
        super().__init__(daemon=True)
        self.port, self.prefix = port, name
        self.acknowledged, self.stopping, self.attempts = [], False, 0

    def run(self):
        client = None
        while not self.stopping:
            self.attempts += 1
            number = f"{self.prefix}-{self.attempts}"
            try:
                if client is None:
                    client = Client(self.port, timeout=15)
                    client.ehlo()
                answer = client.mail("ann@sender.test", [f"{number}@customer.test"], message(number, 500))
                if answer.startswith("250"):
                    self.acknowledged.append(number)
                elif answer[0] != "4":
                    raise AssertionError(answer)
                else:
                    client.close()
                    client = None
            except OSError:
                client = None
                time.sleep(0.02)


def collect_all(turnpike):
    numbers = []
    while True:
        reply, server = atrn(turnpike.ports["odmr"], "customer.test")
        if reply.startswith("453"):
            return numbers
        for taken in server.messages:
            content = without_received(taken.content)
            number = taken.rcpts[0].split("<")[1].split("@")[0]
            assert content == message(number, 500), "content is what was sent"
            numbers.append(number)


def test_pl_20_kill_9_under_load_over_and_over_loses_nothing(start):
    turnpike = start({"gateways": [gateway("customer.test")], "smtp": {"store_timeout": "5s"}},
                     {"mx": {"role": "smtp"}, "odmr": {"role": "odmr"}})
    writers = [Writer(turnpike.ports["mx"], f"w{n}") for n in range(8)]
    for writer in writers:
        writer.start()
    victims = ["spool-store", "spool-store", "smtp-frontend", "auth-service"]
    for round_number in range(12):
        time.sleep(random.uniform(0.2, 0.8))
        victim = victims[round_number % len(victims)]
        turnpike.kill(victim)
        turnpike.restart(victim)
    time.sleep(0.5)
    for writer in writers:
        writer.stopping = True
    for writer in writers:
        writer.join(20)
    acknowledged = [number for writer in writers for number in writer.acknowledged]
    assert len(acknowledged) > 200, "too little load to show anything"
    counts = collections.Counter(collect_all(turnpike))
    missing = [number for number in acknowledged if not counts[number]]
    assert not missing, f"{len(missing)} of {len(acknowledged)} acknowledged messages are lost"
    doubled = [number for number in counts if counts[number] > 1]
    assert not doubled, f"stored twice: {doubled[:5]}"


def test_pl_21_a_repeated_enqueue_makes_no_second_message(start):
    """The same message id over another stream, as a frontend does that lost the answer."""
    import grpc
    from gateways import protos
    turnpike = start({"gateways": [gateway("customer.test")]}, {"odmr": {"role": "odmr"}})
    protos()
    from protos.turnpike.spool.v1 import spool_pb2
    request = spool_pb2.EnqueueRequest()
    new = request.items.add().message
    new.message_id = int(time.time() * 1000).to_bytes(6, "big") + bytes.fromhex("7abc8def0123456789ab")
    new.envelope.return_path = b"ann@sender.test"
    new.inline_content = message(1)
    new.content_bytes = len(new.inline_content)
    new.received_time.GetCurrentTime()
    delivery = new.deliveries.add(hold=True)
    delivery.queue.kind, delivery.queue.name = GATEWAY, "customer.test"
    delivery.recipients.add(address=b"x@customer.test")

    def enqueue():
        with grpc.insecure_channel(f"127.0.0.1:{turnpike.ports['spool-store']}") as channel:
            stream = channel.stream_stream(
                "/turnpike.spool.v1.SpoolService/Enqueue",
                request_serializer=lambda m: m.SerializeToString(),
                response_deserializer=spool_pb2.EnqueueResponse.FromString)
            return [result.outcome for response in stream(iter([request]), timeout=10)
                    for result in response.results]

    STORED = 1
    assert enqueue() == [STORED] and enqueue() == [STORED]
    turnpike.kill("spool-store")
    turnpike.restart("spool-store")
    assert enqueue() == [STORED], "also after a restart"
    assert len(list_deliveries(turnpike, GATEWAY, "customer.test")) == 1
    wait_for(lambda: len(atrn(turnpike.ports["odmr"], "customer.test")[1].messages) == 1)
    assert enqueue() == [STORED], "also when it has been delivered since"
    assert not list_deliveries(turnpike, GATEWAY, "customer.test")


def test_pl_22_a_lease_ends_with_its_stream_and_is_taken_by_one_only(start):
    turnpike = start({"gateways": [gateway("customer.test", atrn={"single_session": False})]},
                     {"mx": {"role": "smtp"}, "odmr": {"role": "odmr"}})
    with Client(turnpike.ports["mx"]) as client:
        client.ehlo()
        for number in range(5):
            client.mail("ann@sender.test", [f"u{number}@customer.test"], message(number))
    from gateways import login
    first = login(turnpike.ports["odmr"], "customer.test")
    assert first.ask("ATRN").startswith("250")
    first.send("220 wait")
    assert first.line().startswith("EHLO")
    first.send("250 wait")
    wait_for(lambda: queue_counts(turnpike, "customer.test")[3] > 0, what="leases of the first")
    first.close()
    wait_for(lambda: queue_counts(turnpike, "customer.test")[3] == 0, what="leases ending")
    _, server = atrn(turnpike.ports["odmr"], "customer.test")
    assert len(server.messages) == 5


def test_pl_22_other_queues_do_not_wait_behind_a_long_one(start):
    turnpike = start({"gateways": [gateway("customer.test"), gateway("second.test")]},
                     {"mx": {"role": "smtp"}, "odmr": {"role": "odmr"}})
    with Client(turnpike.ports["mx"]) as client:
        client.ehlo()
        for number in range(2000):
            client.mail("ann@sender.test", ["x@customer.test"], message(number))
        client.mail("ann@sender.test", ["x@second.test"], message(1))
    begin = time.monotonic()
    _, server = atrn(turnpike.ports["odmr"], "second.test")
    assert len(server.messages) == 1
