"""PL-31: the store takes its limits up while it runs."""

import queue
import threading

from gateways import gateway, protos
from peers.process import wait_for
from peers.smtp import Client, message
from test_shard_drain import Stream, enqueue


def offer(turnpike):
    with Client(turnpike.ports["mx"]) as client:
        client.ehlo()
        return client.mail("ann@sender.test", ["x@customer.test"], message(1))


def change(turnpike, **spool):
    turnpike.settings["spool"].update(spool)
    turnpike.write_config()


def test_pl_31_free_bytes_min_is_taken_up_without_a_restart(start):
    turnpike = start({"gateways": [gateway("customer.test")]})
    process = turnpike.processes["spool-store"]
    assert offer(turnpike).startswith("250")
    before = turnpike.settings["spool"]["free_bytes_min"]
    change(turnpike, free_bytes_min="1000000GiB")
    wait_for(lambda: offer(turnpike).startswith("452 4.3.1"), what="mail being refused")
    change(turnpike, free_bytes_min=before)
    wait_for(lambda: offer(turnpike).startswith("250"), what="mail being taken")
    assert process.running() and turnpike.processes["spool-store"] is process


def leased_at_once(turnpike):
    """How many deliveries a new worker gets that settles nothing."""
    protos()
    from protos.turnpike.spool.v1 import spool_pb2
    stream = Stream(turnpike, "spool-store", "Lease", spool_pb2.LeaseResponse)
    request = spool_pb2.LeaseRequest(credit=100)
    request.open.due.SetInParent()
    answers = queue.SimpleQueue()

    def read():
        try:
            answers.put(len(stream.ask(request).deliveries))
            for answer in stream.answers:
                answers.put(len(answer.deliveries))
        except Exception:  # the stream is closed below
            pass

    threading.Thread(target=read, daemon=True).start()
    count = answers.get(timeout=10)
    try:
        while True:
            count += answers.get(timeout=0.5)
    except queue.Empty:
        stream.close()
        return count


def test_pl_31_leases_per_queue_max_holds_for_streams_that_begin_later(start):
    turnpike = start({"gateways": [gateway("customer.test")], "spool": {"leases_per_queue_max": 2}})
    turnpike.processes["outbound-delivery"].terminate()
    enqueue(turnpike, "spool-store", "customer.test", [message(n) for n in range(8)], hold=False)
    assert leased_at_once(turnpike) == 2
    change(turnpike, leases_per_queue_max=5)
    wait_for(lambda: leased_at_once(turnpike) == 5, what="the new limit")
