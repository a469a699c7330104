"""Configuration of gateways, and asking for their mail, in few words."""

import base64
import json
import pathlib
import socket
import subprocess
import sys
import tempfile

from peers.process import wait_for
from peers.smtp import Client, Server, message

PASSWORD = "tide-table-42"


def gateway(domain, etrn=None, atrn=None, **more):
    """A gateway that may do both, with the password of these tests."""
    return {"domain": domain,
            "etrn": {"enabled": True, **(etrn or {})},
            "atrn": {"enabled": True, "password": "{PLAIN}" + PASSWORD, **(atrn or {})},
            **more}


def queue_counts(turnpike, domain):
    """`(held, ready, deferred, leased)` of a gateway's queue, from the gateway's state."""
    state = describe_gateway(turnpike, domain)
    queue = state.queue
    return queue.held, queue.ready, queue.deferred, queue.leased


def submit(port, domain, count=1, first=1, sender="ann@sender.test", recipients=None, size=0,
           as_gateway=None):
    """Sends `count` numbered messages for a gateway's domain; their contents. `as_gateway` logs in
    first, on a listener that takes PLAIN in clear."""
    contents = []
    with Client(port) as client:
        client.ehlo()
        if as_gateway:
            assert client.auth_plain(as_gateway, PASSWORD).startswith("235")
        for number in range(first, first + count):
            content = message(number, size)
            if as_gateway:  # who has authenticated is named in From: too (AU-6)
                content = content.replace(b"<ann@sender.test>", f"<{sender}>".encode())
            answer = client.mail(sender, recipients or [f"user{number}@{domain}"], content)
            assert answer.startswith("250"), answer
            contents.append(content)
    return contents


def login(port, domain, password=PASSWORD, source=None):
    """A connection that has authenticated as the gateway by CRAM-MD5."""
    client = Client(port, source=source)
    client.ehlo()
    answer = client.auth_cram_md5(domain, password)
    assert answer.startswith("235"), answer
    return client


def atrn(port, domain, server=None, argument=None, password=PASSWORD, client=None):
    """A whole ATRN session: the reply to ATRN, and the Server that took the mail."""
    client = client or login(port, domain, password)
    server = server or Server()
    reply = client.ask(f"ATRN {argument}" if argument else "ATRN")
    if reply.startswith("250"):
        try:
            server.serve(client.socket)
        except OSError:
            pass
    client.close()
    server.stop()
    return reply, server


_PROTOS = None


def protos():
    """Python modules of our protos, made once by protoc."""
    global _PROTOS
    if _PROTOS is None:
        top = pathlib.Path(__file__).resolve().parents[2]
        out = tempfile.mkdtemp(prefix="turnpike-protos-")
        files = [str(path.relative_to(top)) for path in sorted(top.glob("protos/**/*.proto"))]
        subprocess.run(["protoc", f"--proto_path={top}", f"--python_out={out}", *files], check=True)
        sys.path.insert(0, out)
        _PROTOS = out
    return _PROTOS


def call(turnpike, service, method, request, response_class, port=None):
    """A unary gRPC call without generated stubs: `method` is `package.Service/Method`."""
    import grpc
    with grpc.insecure_channel(f"127.0.0.1:{port or turnpike.ports[service]}") as channel:
        unary = channel.unary_unary("/" + method, request_serializer=lambda m: m.SerializeToString(),
                                    response_deserializer=response_class.FromString)
        return unary(request, timeout=10)


def dequeue(turnpike, method, port=None, **fields):
    """Calls gateway-dequeue: dequeue(turnpike, "SuspendGateway", domain="customer.test")."""
    protos()
    from protos.turnpike.dequeue.v1 import dequeue_pb2
    request = getattr(dequeue_pb2, method + "Request")(**fields)
    return call(turnpike, "gateway-dequeue", "turnpike.dequeue.v1.DequeueService/" + method,
                request, getattr(dequeue_pb2, method + "Response"), port)


def dequeue_error(turnpike, method, port=None, **fields):
    """The name of the status code with which such a call is refused."""
    import grpc
    try:
        dequeue(turnpike, method, port, **fields)
    except grpc.RpcError as error:
        return error.code().name
    return "OK"


def describe_gateway(turnpike, domain, port=None):
    return dequeue(turnpike, "GetGateway", port, domain=domain).gateway


def list_deliveries(turnpike, kind=None, name=None):
    """The spool's deliveries, of one queue or of all."""
    protos()
    from protos.turnpike.spool.v1 import spool_pb2
    request = spool_pb2.ListDeliveriesRequest(page_size=1000)
    if kind is not None:
        request.queue.kind = kind
        request.queue.name = name
    return list(call(turnpike, "spool-store", "turnpike.spool.v1.SpoolService/ListDeliveries",
                     request, spool_pb2.ListDeliveriesResponse).deliveries)


def get_delivery(turnpike, delivery_id):
    protos()
    from protos.turnpike.spool.v1 import spool_pb2
    return call(turnpike, "spool-store", "turnpike.spool.v1.SpoolService/GetDelivery",
                spool_pb2.GetDeliveryRequest(delivery_id=delivery_id),
                spool_pb2.GetDeliveryResponse).delivery


GATEWAY, REMOTE, LOCAL = 1, 2, 3  # turnpike.spool.v1.QueueKind


def without_received(content):
    """Content without the Received: field that Turnpike put in front."""
    assert content.startswith(b"Received: "), content[:200]
    lines = content.split(b"\r\n")
    end = 1
    while lines[end][:1] in (b" ", b"\t"):
        end += 1
    return b"\r\n".join(lines[end:])


def spool_is_empty(turnpike, kind, name):
    return not list_deliveries(turnpike, kind, name)
