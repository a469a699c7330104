#!/usr/bin/python3
"""Shows queues and gateways of the services that run on loopback, over their gRPC interfaces.

  deploy/local/show.py queues
  deploy/local/show.py gateways
  deploy/local/show.py deliveries
"""

import datetime
import pathlib
import subprocess
import sys
import tempfile

import grpc

TOP = pathlib.Path(__file__).resolve().parents[2]
SPOOL, DEQUEUE = "127.0.0.1:7101", "127.0.0.1:7103"
KINDS = {1: "gateway", 2: "remote", 3: "local"}
STATES = {1: "held", 2: "ready", 3: "deferred", 4: "leased", 5: "parked"}


def load_protos():
    """Makes Python modules of the protos, and puts them on the path."""
    out = tempfile.mkdtemp(prefix="turnpike-protos-")
    files = [str(path.relative_to(TOP)) for path in sorted(TOP.glob("protos/**/*.proto"))]
    subprocess.run(["protoc", f"--proto_path={TOP}", f"--python_out={out}", *files], check=True)
    sys.path.insert(0, out)


def call(address, method, request, response_class):
    with grpc.insecure_channel(address) as channel:
        unary = channel.unary_unary("/" + method, request_serializer=lambda m: m.SerializeToString(),
                                    response_deserializer=response_class.FromString)
        return unary(request, timeout=10)


def age(timestamp):
    seconds = datetime.datetime.now().timestamp() - timestamp.seconds
    return f"{int(seconds)}s" if timestamp.seconds else "-"


def table(rows):
    widths = [max(len(str(row[column])) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  " + "  ".join(str(cell).ljust(width) for cell, width in zip(row, widths)).rstrip())


def show_queues():
    from protos.turnpike.spool.v1 import spool_pb2
    answer = call(SPOOL, "turnpike.spool.v1.SpoolService/ListQueues",
                  spool_pb2.ListQueuesRequest(page_size=1000), spool_pb2.ListQueuesResponse)
    rows = [("QUEUE", "HELD", "READY", "DEFERRED", "LEASED", "BYTES", "OLDEST")]
    for queue in answer.queues:
        rows.append((f"{KINDS[queue.queue.kind]}/{queue.queue.name}", queue.held, queue.ready,
                     queue.deferred, queue.leased, queue.bytes, age(queue.oldest_time)))
    table(rows)


def show_gateways():
    from protos.turnpike.dequeue.v1 import dequeue_pb2
    answer = call(DEQUEUE, "turnpike.dequeue.v1.DequeueService/ListGateways",
                  dequeue_pb2.ListGatewaysRequest(page_size=1000), dequeue_pb2.ListGatewaysResponse)
    rows = [("GATEWAY", "HELD", "BYTES", "OLDEST", "SESSIONS", "LAST REQUEST", "FROM", "REPLY",
             "DELIVERED")]
    for gateway in answer.gateways:
        last = gateway.last_request
        rows.append((gateway.domain, gateway.queue.held, gateway.queue.bytes,
                     age(gateway.queue.oldest_time), len(gateway.running_sessions),
                     last.protocol or "never", last.client_address or "-", last.reply.code or "-",
                     last.totals.delivered if last.protocol == "atrn" else "-"))
    table(rows)


def show_deliveries():
    from protos.turnpike.spool.v1 import spool_pb2
    answer = call(SPOOL, "turnpike.spool.v1.SpoolService/ListDeliveries",
                  spool_pb2.ListDeliveriesRequest(page_size=1000), spool_pb2.ListDeliveriesResponse)
    rows = [("DELIVERY", "QUEUE", "STATE", "FROM", "TO", "BYTES", "ATTEMPTS")]
    for delivery in answer.deliveries:
        rows.append((delivery.delivery_id, f"{KINDS[delivery.queue.kind]}/{delivery.queue.name}",
                     STATES[delivery.state], f"<{delivery.envelope.return_path.decode()}>",
                     " ".join(r.address.decode() for r in delivery.recipients),
                     delivery.content_bytes, delivery.attempts))
    table(rows)


def main():
    views = {"queues": show_queues, "gateways": show_gateways, "deliveries": show_deliveries}
    if len(sys.argv) != 2 or sys.argv[1] not in views:
        sys.exit(__doc__)
    load_protos()
    views[sys.argv[1]]()


if __name__ == "__main__":
    main()
