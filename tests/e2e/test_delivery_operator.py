"""DL-43: what an operator does to mail that waits, as the worker carries it out."""

import time
import uuid

import pytest

from delivery_site import (LISTENERS, attempts, dns, hosts, mailboxes, reports, send,  # noqa: F401
                           settings, status_fields, well_behaved)
from gateways import REMOTE, call, gateway, get_delivery, list_deliveries, protos, submit
from peers.process import wait_for

HELD, READY, DEFERRED, LEASED, PARKED = 1, 2, 3, 4, 5


@pytest.fixture(scope="module")
def turnpike(start, hosts, dns, mailboxes):
    return start(settings(hosts, dns, mailboxes, retry={"first_interval": "1h"}, gateways=[
        gateway("sender.test"),
        gateway("customer.test", {"deliver_to": "127.0.0.12", "port": hosts.port,
                                  "require_auth": False})]), LISTENERS)


def update(turnpike, delivery, **change):
    protos()
    from protos.turnpike.spool.v1 import spool_pb2
    request = spool_pb2.UpdateDeliveryRequest(request_id=str(uuid.uuid4()),
                                              delivery_id=delivery.delivery_id, **change)
    return call(turnpike, "spool-store", "turnpike.spool.v1.SpoolService/UpdateDelivery", request,
                spool_pb2.UpdateDeliveryResponse)


@pytest.fixture
def waiting(turnpike, hosts):
    """A delivery that failed for now, and has an hour to wait."""
    hosts.behaviour[11] = lambda stage, text, session: (
        "451 4.3.0 out of order" if stage == "rcpt" else None)
    name = f"op{uuid.uuid4().hex[:8]}"
    send(turnpike, f"{name}@later.remote.test")
    delivery = attempts(turnpike, "later.remote.test")
    hosts.behaviour.clear()
    yield name, delivery
    for left in list_deliveries(turnpike, REMOTE, "later.remote.test"):
        update(turnpike, left, delete=True)


def test_dl_43_a_delivery_says_why_it_waits(turnpike, waiting, hosts):
    _, delivery = waiting
    outcome = delivery.last_outcomes[0]
    assert (outcome.reply.code, outcome.reply.enhanced_code) == (451, "4.3.0")
    assert outcome.reply.text == b"out of order"
    assert outcome.host == f"first.remote.test [127.0.0.11]:{hosts.port}"
    assert delivery.attempts == 1 and delivery.state == DEFERRED
    assert delivery.next_attempt_time.seconds > time.time() + 3000


def test_dl_43_retry_now(turnpike, waiting, hosts):
    name, delivery = waiting
    update(turnpike, delivery, make_due=True)
    wait_for(lambda: hosts.taken(11, f"{name}@later.remote.test"))


def test_dl_43_hold_and_release(turnpike, waiting, hosts):
    name, delivery = waiting
    update(turnpike, delivery, hold=True)
    time.sleep(1)
    assert get_delivery(turnpike, delivery.delivery_id).state == HELD
    assert not hosts.taken(11, f"{name}@later.remote.test")
    update(turnpike, delivery, make_due=True)
    wait_for(lambda: hosts.taken(11, f"{name}@later.remote.test"))


def test_dl_43_reroute(turnpike, waiting, hosts):
    protos()
    from protos.turnpike.mail.v1 import envelope_pb2
    name, delivery = waiting
    update(turnpike, delivery,
           reroute=envelope_pb2.Route(address="127.0.0.13", port=hosts.port))
    wait_for(lambda: hosts.taken(13, f"{name}@later.remote.test"))
    assert not hosts.taken(11, f"{name}@later.remote.test")


def test_dl_43_return_to_sender_with_the_operators_words(turnpike, waiting, hosts):
    protos()
    from protos.turnpike.mail.v1 import envelope_pb2
    name, delivery = waiting
    update(turnpike, delivery, return_to_sender=envelope_pb2.Reply(
        code=550, enhanced_code="5.7.1", text=b"Returned by the operator: the domain is closed"))
    [report] = reports(turnpike)
    fields, _ = status_fields(report)
    assert fields[1]["Final-Recipient"].endswith(f"{name}@later.remote.test")
    assert fields[1]["Action"] == "failed" and fields[1]["Status"] == "5.7.1"
    assert "the domain is closed" in fields[1]["Diagnostic-Code"]
    wait_for(lambda: not list_deliveries(turnpike, REMOTE, "later.remote.test"))
    assert not hosts.taken(11, f"{name}@later.remote.test")


def test_dl_43_delete_without_a_word(turnpike, waiting, hosts):
    name, delivery = waiting
    update(turnpike, delivery, delete=True)
    assert not list_deliveries(turnpike, REMOTE, "later.remote.test")
    time.sleep(0.5)
    assert not hosts.taken(11, f"{name}@later.remote.test")


def test_dl_43_deliveries_are_found_by_sender_and_recipient(turnpike, waiting):
    protos()
    from protos.turnpike.spool.v1 import spool_pb2
    name, delivery = waiting

    def found(**criteria):
        request = spool_pb2.ListDeliveriesRequest(page_size=100, **criteria)
        answer = call(turnpike, "spool-store", "turnpike.spool.v1.SpoolService/ListDeliveries",
                      request, spool_pb2.ListDeliveriesResponse)
        return [one.delivery_id for one in answer.deliveries]

    for criteria in ({"sender": "ANN@sender.test"}, {"sender": "@sender.test"},
                     {"recipient": f"{name}@later.remote.test"},
                     {"recipient": "@later.remote.test"}):
        assert delivery.delivery_id in found(**criteria), criteria
    assert not found(sender="@elsewhere.test") and not found(recipient="bob@later.remote.test")


def test_dl_43_a_worker_shows_its_destinations(turnpike, hosts):
    protos()
    from protos.turnpike.delivery.v1 import delivery_pb2
    hosts.behaviour[12] = lambda stage, text, session: time.sleep(3) if stage == "end" else None
    send(turnpike, "x@other.remote.test")

    def shown():
        answer = call(turnpike, "outbound-delivery",
                      "turnpike.delivery.v1.DeliveryService/ListDestinations",
                      delivery_pb2.ListDestinationsRequest(),
                      delivery_pb2.ListDestinationsResponse)
        return [one for one in answer.destinations if one.queue.name == "other.remote.test"]

    assert wait_for(shown)[0].connections == 1


def put_entry(turnpike, key, delete=False):
    protos()
    from protos.turnpike.spool.v1 import shared_state_pb2
    if delete:
        call(turnpike, "spool-store", "turnpike.spool.v1.SharedStateService/DeleteEntry",
             shared_state_pb2.DeleteEntryRequest(key=key), shared_state_pb2.DeleteEntryResponse)
    else:
        call(turnpike, "spool-store", "turnpike.spool.v1.SharedStateService/PutEntry",
             shared_state_pb2.PutEntryRequest(key=key, value=b"x"),
             shared_state_pb2.PutEntryResponse)


def test_dq_61_nothing_is_sent_to_a_suspended_gateway(turnpike, hosts):
    submit(turnpike.ports["mx"], "customer.test", 2, as_gateway="sender.test")
    put_entry(turnpike, "gateway/customer.test/suspended")
    time.sleep(2.2)  # the worker looks about once a second
    protos()
    from protos.turnpike.spool.v1 import spool_pb2
    request = spool_pb2.ReleaseQueueRequest(request_id=str(uuid.uuid4()))
    request.queue.kind, request.queue.name = 1, "customer.test"
    request.route.address, request.route.port = "127.0.0.12", hosts.port
    call(turnpike, "spool-store", "turnpike.spool.v1.SpoolService/ReleaseQueue", request,
         spool_pb2.ReleaseQueueResponse)
    taken = lambda: [m for m in hosts.servers[12].messages if "@customer.test" in m.rcpts[0]]
    time.sleep(1.5)
    assert not taken()
    assert turnpike.metric("outbound-delivery", "turnpike_delivery_queues_paused") >= 1
    put_entry(turnpike, "gateway/customer.test/suspended", delete=True)
    wait_for(lambda: len(taken()) == 2)
