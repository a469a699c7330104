"""Dependencies point one way: protos <- common <- core <- rpc, storage, ... <- main."""

import pytest
from repository import ROOT, SERVICES, query

# What makes code do I/O. Only direct dependencies count, because messages with services bring gRPC
# along, and addresses (common/net:ip) asio.
_IO_LIBRARIES = "set({})".format(
    " ".join(
        f'"//third_party:{name}"'
        for name in ("asio", "cares", "curl", "grpc++", "libpq", "rocksdb")
    )
)
_IO_CODE = "(//services/common/net/... except //services/common/net:ip) + //services/common/rpc/..."


def packages(*folders):
    """Returns a query for everything below those of the folders that have a BUILD file."""
    present = [
        f"//{folder}/..." for folder in folders if any((ROOT / folder).rglob("BUILD.bazel"))
    ]
    return f"({' + '.join(present)})" if present else None


def assert_no_path(source, target):
    """Fails, naming one way, if anything in `source` depends on something in `target`."""
    if source is None or target is None:
        return
    reached = query(f"deps({source}) intersect ({target})")
    if reached:
        way = query(f"somepath({source}, {reached[0]})")
        pytest.fail(" -> ".join(way))


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("other", SERVICES)
def test_a_service_reaches_only_the_client_of_another(service, other):
    if service == other:
        return
    inner = packages(f"services/{other}")
    client = packages(f"services/{other}/client")
    if inner and client:
        inner = f"{inner} except {client}"
    assert_no_path(packages(f"services/{service}"), inner)


def test_common_reaches_no_service():
    services = packages(*(f"services/{service}" for service in SERVICES))
    assert_no_path(packages("services/common"), services)


def test_protos_reach_no_code_of_ours():
    assert_no_path(packages("protos"), packages("services"))


@pytest.mark.parametrize(
    "folder", ["services/common/smtp"] + [f"services/{service}/core" for service in SERVICES]
)
def test_a_core_does_no_io(folder):
    core = packages(folder)
    if core:
        assert query(f"rdeps({core}, {_IO_LIBRARIES}, 1) intersect {core}") == []
        assert_no_path(core, _IO_CODE)
