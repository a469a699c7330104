"""Who may call whom is written down once (services/common/rpc/callers.cc), and everything agrees
with it: the chart's network policies, and how channels and servers are made. (PL-40)"""

import re

import pytest
from repository import files, text

_TABLE = "services/common/rpc/callers.cc"
_POLICIES = "charts/turnpike/templates/network-policies.yaml"

# Which service serves a package, and what the chart calls it.
_SERVERS = {
    "turnpike.spool.v1": "spoolStore",
    "turnpike.auth.v1": "authService",
    "turnpike.dequeue.v1": "gatewayDequeue",
    "turnpike.frontend.v1": "smtpFrontend",
    "turnpike.delivery.v1": "outboundDelivery",
}
# At a port of its own, and in KEDA's namespace.
_SCALER = "externalscaler"
_OPERATOR = "turnpikectl"
# Where the chart lets operators work: these pods have the certificate of turnpikectl.
_OPERATOR_PODS = {_OPERATOR, "canary"}


def rows():
    """Yields (package, caller) of the table."""
    found = re.findall(r'\{"/([\w.]+)\.\w+/\w+",\s*"([^"]*)"\}', text(_TABLE))
    assert len(found) == text(_TABLE).count('{"/'), "the table has rows of another shape"
    for package, callers in found:
        for caller in callers.split():
            yield package, caller


def test_every_package_has_a_server():
    assert {package for package, _ in rows()} == {*_SERVERS, _SCALER}


def test_network_policies_open_what_the_table_allows_and_nothing_else():
    allowed = {chart: set() for chart in _SERVERS.values()}
    for package, caller in rows():
        if package != _SCALER:
            allowed[_SERVERS[package]].add(caller)
    for chart, callers in allowed.items():
        assert _OPERATOR in callers, chart
        callers.remove(_OPERATOR)
    lists = re.findall(r'^ +"(\w+)" \(list((?: "[\w-]+")*)\)', text(_POLICIES), re.M)
    opened = {chart: set(re.findall(r'"([^"]+)"', names)) for chart, names in lists}
    assert opened == allowed
    (values,) = re.findall(r"values: ({{.*\(index \$callers \$key\).*}})", text(_POLICIES))
    assert set(re.findall(r'"([\w-]+)"', values)) == _OPERATOR_PODS


def test_the_scaler_is_asked_by_keda_only():
    assert {caller for package, caller in rows() if package == _SCALER} == {"keda"}


def _calls(path, name):
    """The arguments of each call of `name`, as text."""
    source = text(path)
    for match in re.finditer(rf"\b{name}\(", source):
        depth, end = 1, match.end()
        while depth and end < len(source):
            depth += {"(": 1, ")": -1}.get(source[end], 0)
            end += 1
        yield source[match.end():end - 1]


@pytest.mark.parametrize("name", ["rpc::CreateChannel", "rpc::Server::Start"])
def test_services_make_no_channel_or_server_without_saying_how_it_is_secured(name):
    calls = 0
    for path in files("services/*.cc", "services/**/*.cc"):
        if path.endswith("_test.cc") or "/testing/" in path or "/bench/" in path:
            continue
        for arguments in _calls(path, name):
            calls += 1
            assert "security" in arguments, f"{path}: {name}({arguments})"
    assert calls >= 5
