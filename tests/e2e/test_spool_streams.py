"""What workers and operators ask of the store, over its own streams: what is old (DQ-2), limits that
hold for all processes (DL-40), queues left out, mail returned or sent another way."""

import queue
import threading
import time

import grpc
import pytest

from gateways import GATEWAY, REMOTE, call, get_delivery, list_deliveries, protos
from peers.smtp import message

protos()

from protos.turnpike.spool.v1 import shared_state_pb2, spool_pb2  # noqa: E402

HELD, LEASED = 1, 4  # turnpike.spool.v1.DeliveryState


class Stream:
    """A bidirectional call; what comes is collected."""

    def __init__(self, turnpike, method, response_class):
        self.channel = grpc.insecure_channel(f"127.0.0.1:{turnpike.ports['spool-store']}")
        self.requests = queue.Queue()
        self.responses = queue.Queue()
        self.call = self.channel.stream_stream(
            "/turnpike.spool.v1." + method, request_serializer=lambda m: m.SerializeToString(),
            response_deserializer=response_class.FromString)(iter(self.requests.get, None))
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        try:
            for response in self.call:
                self.responses.put(response)
        except grpc.RpcError:
            pass

    def say(self, request):
        self.requests.put(request)

    def hear(self, timeout=10):
        return self.responses.get(timeout=timeout)

    def is_quiet(self, seconds=0.5):
        try:
            self.responses.get(timeout=seconds)
            return False
        except queue.Empty:
            return True

    def close(self):
        self.requests.put(None)
        self.channel.close()


class Streams:
    """Ends what a test has opened."""

    def __init__(self, turnpike):
        self.turnpike, self.open = turnpike, []

    def _add(self, stream):
        self.open.append(stream)
        return stream

    def lease(self, credit, **scope):
        stream = self._add(Stream(self.turnpike, "SpoolService/Lease", spool_pb2.LeaseResponse))
        request = spool_pb2.LeaseRequest(credit=credit)
        request.open.worker = "test"
        for name, value in scope.items():
            getattr(request.open, name).CopyFrom(value)
        stream.say(request)
        return stream

    def slots(self):
        return self._add(
            Stream(self.turnpike, "SharedStateService/HoldSlots", shared_state_pb2.HoldSlotsResponse))


@pytest.fixture(scope="module")
def turnpike(start):
    turnpike = start({"gateways": []}, {"mx": {"role": "smtp"}})
    turnpike.processes["outbound-delivery"].terminate()  # what is due is this file's alone
    return turnpike


@pytest.fixture
def streams(turnpike):
    streams = Streams(turnpike)
    yield streams
    for stream in streams.open:
        stream.close()


def enqueue(turnpike, kind, name, hold=True, age=0):
    """A message received `age` seconds ago; its id."""
    request = spool_pb2.EnqueueRequest()
    new = request.items.add().message
    enqueue.count += 1
    new.message_id = int(time.time() * 1000).to_bytes(6, "big") + bytes.fromhex(
        "7abc8def0123") + enqueue.count.to_bytes(4, "big")
    new.envelope.return_path = b"ann@sender.test"
    new.inline_content = message(enqueue.count)
    new.content_bytes = len(new.inline_content)
    new.received_time.FromSeconds(int(time.time()) - age)
    delivery = new.deliveries.add(hold=hold)
    delivery.queue.kind, delivery.queue.name = kind, name
    delivery.recipients.add(address=f"x@{name}".encode())
    stream = Stream(turnpike, "SpoolService/Enqueue", spool_pb2.EnqueueResponse)
    stream.say(request)
    assert stream.hear().results[0].outcome == 1
    stream.close()
    return new.message_id


enqueue.count = 0


def queue_scope(name, older_than):
    scope = spool_pb2.QueueScope(recipient_domains=[name])
    scope.queue.kind, scope.queue.name = GATEWAY, name
    scope.received_before.FromSeconds(int(time.time()) - older_than)
    return scope


def update(turnpike, delivery_id, **change):
    request = spool_pb2.UpdateDeliveryRequest(delivery_id=delivery_id, **change)
    return call(turnpike, "spool-store", "turnpike.spool.v1.SpoolService/UpdateDelivery", request,
                spool_pb2.UpdateDeliveryResponse).delivery


def leased_of(stream, name):
    """The next delivery of a queue; others are passed over."""
    while True:
        for delivery in stream.hear().deliveries:
            if delivery.queue.name == name:
                return delivery


def test_dq_2_what_is_older_than_the_retention_is_found_and_nothing_else(turnpike, streams):
    old = enqueue(turnpike, GATEWAY, "keep.test", age=7200)
    enqueue(turnpike, GATEWAY, "keep.test", age=60)
    stream = streams.lease(10, queue=queue_scope("keep.test", older_than=3600))
    response = stream.hear()
    assert [d.message_id for d in response.deliveries] == [old] and response.drained
    assert stream.is_quiet()
    states = sorted(d.state for d in list_deliveries(turnpike, GATEWAY, "keep.test"))
    assert states == [HELD, LEASED]


def test_dl_40_slots_are_counted_over_all_processes_and_end_with_them(turnpike, streams):
    def take(stream, slot, **limits):
        request = shared_state_pb2.HoldSlotsRequest()
        request.take.add(slot_id=slot, key="destination/mx.test", **limits)
        stream.say(request)

    one, other = streams.slots(), streams.slots()
    take(one, 1, slots_max=2)
    assert list(one.hear().granted) == [1]
    take(other, 1, slots_max=2)
    assert list(other.hear().granted) == [1]
    take(other, 2, slots_max=2)
    assert other.is_quiet()
    assert turnpike.metric("spool-store", "turnpike_spool_slots", state="held") == 2
    assert turnpike.metric("spool-store", "turnpike_spool_slots", state="waiting") == 1
    one.close()  # as a process that ends
    assert list(other.hear().granted) == [2]
    take(other, 3, per_minute_max=1)
    assert list(other.hear().granted) == [3]
    take(other, 4, per_minute_max=1)
    assert other.is_quiet()


def test_dl_40_a_queue_that_is_left_out_does_not_stop_the_others(turnpike, streams):
    paused = spool_pb2.QueueName(kind=REMOTE, name="slow.invalid")
    stream = streams.lease(10, due=spool_pb2.DueScope(paused=[paused]))
    enqueue(turnpike, REMOTE, "slow.invalid", hold=False)
    enqueue(turnpike, REMOTE, "quick.invalid", hold=False)
    assert [d.queue.name for d in stream.hear().deliveries] == ["quick.invalid"]
    assert stream.is_quiet()
    stream.say(spool_pb2.LeaseRequest(resume=[paused]))
    assert [d.queue.name for d in stream.hear().deliveries] == ["slow.invalid"]


def test_dl_43_an_operator_returns_and_reroutes_what_is_held(turnpike, streams):
    for _ in range(2):
        enqueue(turnpike, GATEWAY, "held.test")
    first, second = list_deliveries(turnpike, GATEWAY, "held.test")
    stream = streams.lease(10, due=spool_pb2.DueScope())
    returned = {"code": 550, "enhanced_code": "5.7.1", "text": b"not wanted"}
    update(turnpike, first.delivery_id, return_to_sender=returned)
    delivery = leased_of(stream, "held.test")
    assert delivery.return_reply.code == 550 and delivery.return_reply.text == b"not wanted"
    update(turnpike, second.delivery_id, reroute={"host": "spare.test", "port": 2525})
    delivery = leased_of(stream, "held.test")
    assert delivery.route.host == "spare.test" and delivery.route.port == 2525
    assert get_delivery(turnpike, second.delivery_id).state == LEASED
    with pytest.raises(grpc.RpcError) as refused:
        update(turnpike, second.delivery_id, hold=True)
    assert refused.value.code() == grpc.StatusCode.FAILED_PRECONDITION
