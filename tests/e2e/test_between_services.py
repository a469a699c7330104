"""PL-41: what each caller does while a peer is away, and that a restarted peer is picked up."""

import time

import pytest

from gateways import PASSWORD, atrn, gateway, login, submit
from peers.process import free_port, wait_for
from peers.smtp import Client, Server, message


@pytest.fixture(scope="module")
def turnpike(start):
    port = free_port("127.0.0.2")
    return start(
        {
            "gateways": [gateway("customer.test"), gateway("second.test"),
                         gateway("open.test", {"port": port, "require_auth": False})],
            "smtp": {"policy_timeout": "1s", "store_timeout": "1s"},
            "delivery": {"allow_loopback_hosts": True},
        },
        {"mx": {"role": "smtp", "allow_cleartext_auth": True}, "odmr": {"role": "odmr"}})


def send(turnpike, recipient="x@second.test", sender=None):
    with Client(turnpike.ports["mx"]) as client:
        client.ehlo()
        return client.mail(sender or f"t{time.time()}@sender.test", [recipient], message(1))


def test_pl_41_auth_service_away_means_451_and_454_and_no_loss(turnpike):
    turnpike.kill("auth-service")
    with Client(turnpike.ports["odmr"]) as client:
        client.ehlo()
        assert client.auth_cram_md5("customer.test", PASSWORD).startswith("454 4.7.0")
        assert client.ask("NOOP")[:3] in ("250", "502"), "the connection stays"
    assert send(turnpike, f"x{time.time()}@unknown{time.time()}.test").startswith("451")
    turnpike.restart("auth-service")
    wait_for(lambda: send(turnpike).startswith("250"))


def test_pl_41_spool_store_away_means_451_then_picked_up(turnpike):
    turnpike.kill("spool-store")
    assert send(turnpike).startswith("451")
    turnpike.restart("spool-store")
    wait_for(lambda: send(turnpike).startswith("250"))


def test_pl_41_gateway_dequeue_away_means_458_and_451(turnpike):
    submit(turnpike.ports["mx"], "customer.test", 1)
    turnpike.kill("gateway-dequeue")
    client = login(turnpike.ports["odmr"], "customer.test")
    assert client.ask("ATRN").startswith("451")
    with Client(turnpike.ports["mx"]) as other:
        other.ehlo()
        assert other.ask("ETRN open.test").startswith("458")
    turnpike.restart("gateway-dequeue")
    wait_for(lambda: client.ask("ATRN").startswith("250"))
    Server().serve(client.socket)


def test_pl_41_delivery_goes_on_after_each_restart(turnpike):
    port = turnpike.settings["gateways"][2]["etrn"]["port"]
    with Server(address="127.0.0.2", port=port) as site:
        for number, service in enumerate(("spool-store", "outbound-delivery"), 1):
            turnpike.kill(service)
            turnpike.restart(service)
            wait_for(lambda: send(turnpike, "x@open.test").startswith("250"))
            with Client(turnpike.ports["mx"], source="127.0.0.2") as client:
                client.ehlo()
                wait_for(lambda: client.ask("ETRN open.test").startswith("25"))
            wait_for(lambda: len(site.messages) == number)


def test_pl_41_health_and_graceful_shutdown_of_all(start):
    import grpc
    turnpike = start({"gateways": [gateway("customer.test")]})
    check = b""  # HealthCheckRequest for the whole server
    for service in ("spool-store", "auth-service", "gateway-dequeue", "smtp-frontend",
                    "outbound-delivery"):
        with grpc.insecure_channel(f"127.0.0.1:{turnpike.ports[service]}") as channel:
            answer = channel.unary_unary("/grpc.health.v1.Health/Check")(check, timeout=5)
        assert answer == b"\x08\x01", f"{service} is not SERVING"
        assert turnpike.http(service, "/livez") == 200
    for service in ("smtp-frontend", "outbound-delivery", "gateway-dequeue", "auth-service",
                    "spool-store"):
        assert turnpike.processes[service].terminate(20) == 0, service


def test_pl_41_descriptors_running_out_is_survived(start):
    """gRPC 1.51 alone would never accept again (CVE-2023-4785)."""
    import socket
    import grpc
    turnpike = start({"gateways": [gateway("customer.test")]})
    turnpike.kill("auth-service")
    turnpike.spawn("auth-service", prefix=("prlimit", "--nofile=64:64"))
    turnpike.wait_ready("auth-service")
    flood = []
    for _ in range(200):
        try:
            flood.append(socket.create_connection(("127.0.0.1", turnpike.ports["auth-service"]), 1))
        except OSError:
            break
    for connection in flood:
        connection.close()

    def healthy():
        with grpc.insecure_channel(f"127.0.0.1:{turnpike.ports['auth-service']}") as channel:
            return channel.unary_unary("/grpc.health.v1.Health/Check")(b"", timeout=2) == b"\x08\x01"

    def tolerant():
        try:
            return healthy()
        except grpc.RpcError:
            return False

    wait_for(tolerant, timeout=20, what="the server accepting again")
