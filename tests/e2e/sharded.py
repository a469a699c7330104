"""Turnpike with its spool on several stores (PL-24)."""

import copy

from gateways import call, protos
from peers.process import Process, free_port, wait_for
from peers.turnpike import SERVICES, Turnpike, binary

HELD, READY, DEFERRED, LEASED, PARKED = range(1, 6)  # DeliveryState


class ShardedTurnpike(Turnpike):
    """The stores are called `spool-store-0` and so on wherever a service is named."""

    def __init__(self, folder, settings, listeners=None, shards=3):
        self.shards = [f"spool-store-{number}" for number in range(shards)]
        self.shard_ports = [free_port() for _ in self.shards]
        settings = {**settings, "spool": {
            **settings.get("spool", {}),
            "shards": [f"127.0.0.1:{port}" for port in self.shard_ports]}}
        super().__init__(folder, settings, listeners)
        for store, port in zip(self.shards, self.shard_ports):
            self.ports[store] = port
            self.ports[store + "/metrics"] = free_port()
            self.write_store_config(store)

    def store_config(self, store):
        return self.folder / f"{store}.yaml"

    def write_store_config(self, store):
        settings = copy.deepcopy(self.settings)
        settings["spool"]["directory"] = str(self.folder / store)
        settings["services"]["spool_store"].update(
            listen=f"127.0.0.1:{self.ports[store]}",
            metrics_listen=f"127.0.0.1:{self.ports[store + '/metrics']}")
        self.write_config(self.store_config(store), settings)

    def start(self, services=SERVICES):
        every = [*self.shards, *(service for service in services if service != "spool-store")]
        super().start(every)

    def spawn(self, service, name=None, config=None, prefix=()):
        if service not in self.shards:
            return super().spawn(service, name, config, prefix)
        self._starts += 1
        number = service.rsplit("-", 1)[1]
        process = Process(
            [*prefix, binary("spool-store"), "--config", config or self.store_config(service),
             "--shard", number], self.folder / f"{name or service}.{self._starts}.log")
        self.processes[name or service] = process
        return process

    def shard(self, number):
        """What ShardService says of a shard."""
        protos()
        from protos.turnpike.spool.v1 import shard_pb2
        return call(self, self.shards[number], "turnpike.spool.v1.ShardService/GetShard",
                    shard_pb2.GetShardRequest(), shard_pb2.GetShardResponse).shard

    def set_draining(self, number, draining=True):
        protos()
        from protos.turnpike.spool.v1 import shard_pb2
        return call(self, self.shards[number], "turnpike.spool.v1.ShardService/SetDraining",
                    shard_pb2.SetDrainingRequest(draining=draining),
                    shard_pb2.SetDrainingResponse).shard

    def wait_empty(self, number, timeout=60):
        wait_for(lambda: self.shard(number).deliveries == 0, timeout, 0.1,
                 f"shard {number} being empty")

    def deliveries(self, number, kind=None, name=None):
        """All deliveries of a shard, of one queue or of all, with history."""
        protos()
        from protos.turnpike.spool.v1 import spool_pb2
        request = spool_pb2.ListDeliveriesRequest(page_size=1000)
        if kind is not None:
            request.queue.kind, request.queue.name = kind, name
        found = []
        while True:
            page = call(self, self.shards[number], "turnpike.spool.v1.SpoolService/ListDeliveries",
                        request, spool_pb2.ListDeliveriesResponse)
            found += page.deliveries
            request.page_token = page.next_page_token
            if not request.page_token:
                return found
