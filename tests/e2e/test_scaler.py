"""PL-61: spool-store answers KEDA as an external scaler, with the work of all shards."""

import threading
import time

import grpc
import pytest

from gateways import gateway, protos
from peers import keda
from peers.identities import SERVICES, Identities
from peers.process import free_port, wait_for
from peers.smtp import Client, Server, message
from peers.turnpike import TOP
from sharded import ShardedTurnpike

protos()

DUE = {"metric": "due_deliveries", "target": "10"}


class Stores(ShardedTurnpike):
    """Each store has a scaler of its own: `ports["spool-store-0/scaler"]`."""

    def write_store_config(self, store):
        port = self.ports.setdefault(store + "/scaler", free_port())
        self.settings["spool"]["scaler_listen"] = f"127.0.0.1:{port}"
        super().write_store_config(store)
        del self.settings["spool"]["scaler_listen"]


class Mailboxes(Server):
    """A mailbox server that may let its clients wait for the answer to the end of data."""

    def __init__(self):
        self.goes_on = threading.Event()
        self.goes_on.set()
        super().__init__(self._respond, lmtp=True)

    def _respond(self, stage, *_):
        if stage == "data":
            self.goes_on.wait(60)


@pytest.fixture(scope="module")
def identities(tmp_path_factory):
    return Identities(tmp_path_factory.mktemp("identities"), services=(*SERVICES, "keda"))


@pytest.fixture(scope="module")
def mailboxes():
    with Mailboxes() as server:
        yield server
        server.goes_on.set()


@pytest.fixture(scope="module")
def turnpike(tmp_path_factory, identities, mailboxes):
    turnpike = Stores(
        tmp_path_factory.mktemp("turnpike"),
        {"gateways": [gateway("held.test")],
         "local_domains": [{"domain": "office.test",
                            "mailbox_server": f"127.0.0.1:{mailboxes.port}"}],
         "services": {"tls": identities.settings()}},
        {"mx": {"role": "smtp"}}, shards=2)
    try:
        turnpike.start()
        yield turnpike
    finally:
        mailboxes.goes_on.set()
        turnpike.stop()


@pytest.fixture(scope="module")
def scalers(turnpike, identities):
    """One at each store, all of which answer for all."""
    folder = identities.directory / "keda"
    scalers = [keda.Scaler(identities.channel(turnpike.ports[store + "/scaler"], folder))
               for store in turnpike.shards]
    yield scalers
    for scaler in scalers:
        scaler.close()


def submit(turnpike, count, domain="office.test"):
    with Client(turnpike.ports["mx"]) as client:
        client.ehlo()
        for number in range(count):
            answer = client.mail("ann@sender.test", [f"user{number}@{domain}"], message(number))
            assert answer.startswith("250"), answer


def reads(scaler, figure):
    return wait_for(lambda: scaler.figure("due_deliveries") == figure, 30, 0.2,
                    f"due_deliveries being {figure}")


def test_pl_61_our_contract_is_kedas(scalers):
    """Package, service, methods, each field's number, type and kind; only its name may differ."""
    def shape(path):
        file = keda.descriptor_set(path)
        types = {
            message.name: [(field.number, field.type, field.label, field.type_name.lower())
                           for field in message.field] for message in file.message_type}
        methods = [(service.name, method.name, method.input_type, method.output_type,
                    method.client_streaming, method.server_streaming)
                   for service in file.service for method in service.method]
        return file.package, types, methods
    package, types, methods = shape(TOP / "third_party/keda/externalscaler.proto")
    assert (package, types, methods) == shape(keda.proto_file())


def test_pl_61_due_and_leased_deliveries_of_all_shards_are_counted(turnpike, scalers, mailboxes):
    for scaler in scalers:
        assert scaler.specs(**DUE) == {"due_deliveries": 10.0}
        assert not scaler.is_active(**DUE)
        assert scaler.figure("due_deliveries") == 0
        assert scaler.figure("oldest_due_seconds") == 0
    turnpike.kill("outbound-delivery")
    submit(turnpike, 12)
    submit(turnpike, 3, "held.test")  # waits for the gateway, and needs no worker
    wait_for(lambda: all(turnpike.metric(store, "turnpike_spool_deliveries", state="ready") > 0
                         for store in turnpike.shards), what="mail being on both shards")
    for scaler in scalers:
        reads(scaler, 12)
        assert scaler.is_active(**DUE)

    mailboxes.goes_on.clear()
    turnpike.restart("outbound-delivery")
    wait_for(lambda: sum(turnpike.metric(store, "turnpike_spool_deliveries", state="leased")
                         for store in turnpike.shards) > 0, 30, what="a worker having some")
    for scaler in scalers:
        reads(scaler, 12)  # those at the worker count as long as they are there
    mailboxes.goes_on.set()
    for scaler in scalers:
        reads(scaler, 0)
        assert not scaler.is_active(**DUE)


def test_pl_61_the_age_of_what_waits_is_told(turnpike, scalers):
    turnpike.kill("outbound-delivery")
    submit(turnpike, 1)
    begin = time.time()
    # To the minute: it may look up to a minute older.
    age = wait_for(lambda: scalers[0].figure("oldest_due_seconds"), 90, 0.5, "an age")
    assert 0 < age <= time.time() - begin + 62
    turnpike.restart("outbound-delivery")
    reads(scalers[0], 0)


def test_pl_61_streams_tell_when_work_comes_and_goes(turnpike, scalers):
    states = []
    stream = scalers[0].channel.unary_stream(
        "/externalscaler.ExternalScaler/StreamIsActive",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=scalers[0].messages.IsActiveResponse.FromString)(
            scalers[0].object(**DUE))
    threading.Thread(target=lambda: [states.append(state.result) for state in _all(stream)],
                     daemon=True).start()
    wait_for(lambda: states == [False], 20, what="the first state")
    turnpike.kill("outbound-delivery")
    submit(turnpike, 1)
    wait_for(lambda: states == [False, True], 20, what="work being told of")
    turnpike.restart("outbound-delivery")
    wait_for(lambda: states == [False, True, False], 30, what="its end being told of")
    stream.cancel()


def _all(stream):
    try:
        yield from stream
    except grpc.RpcError:
        pass


@pytest.mark.parametrize("metadata", [{}, {"metric": "mail", "target": "1"},
                                      {"metric": "due_deliveries"},
                                      {"metric": "due_deliveries", "target": "0"},
                                      {"metric": "due_deliveries", "target": "many"}])
def test_pl_61_a_trigger_that_is_not_understood_is_refused_with_the_reason(scalers, metadata):
    with pytest.raises(grpc.RpcError) as error:
        scalers[0].specs(**metadata)
    assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "metadata." in error.value.details()


def test_pl_61_only_keda_may_ask(turnpike, identities):
    port = turnpike.ports["spool-store-0/scaler"]
    for caller in ("outbound-delivery", "turnpikectl"):
        scaler = keda.Scaler(identities.channel(port, identities.directory / caller))
        with pytest.raises(grpc.RpcError) as error:
            scaler.is_active(**DUE)
        assert error.value.code() == grpc.StatusCode.PERMISSION_DENIED, caller
        scaler.close()
    store = keda.Scaler(identities.channel(turnpike.ports["spool-store-0"],
                                           identities.directory / "keda"))
    with pytest.raises(grpc.RpcError) as error:
        store.is_active(**DUE)
    assert error.value.code() in (grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.PERMISSION_DENIED)
    store.close()


def test_pl_61_while_a_shard_is_away_there_is_no_figure_instead_of_a_low_one(turnpike, scalers):
    turnpike.kill("spool-store-1")
    before = turnpike.metric("spool-store-0", "turnpike_spool_scaler_requests_total",
                             result="error")
    time.sleep(1.1)  # a sum is kept for a second
    for ask in (lambda: scalers[0].figure("due_deliveries"),
                lambda: scalers[0].is_active(**DUE)):
        with pytest.raises(grpc.RpcError) as error:
            ask()
        assert error.value.code() == grpc.StatusCode.UNAVAILABLE
        assert turnpike.settings["spool"]["shards"][1] in error.value.details()
    assert turnpike.metric("spool-store-0", "turnpike_spool_scaler_requests_total",
                           result="error") == before + 2
    assert scalers[0].specs(**DUE) == {"due_deliveries": 10.0}, "which needs no shard"
    turnpike.restart("spool-store-1")

    def answers():
        try:
            return scalers[0].figure("due_deliveries") == 0
        except grpc.RpcError:
            return False
    wait_for(answers, 20, 0.2, "the figure being there again")
