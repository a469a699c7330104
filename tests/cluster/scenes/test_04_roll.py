"""Every service is restarted under load."""

import pytest
from support import cluster, mail


@pytest.mark.parametrize("service", cluster.SERVICES)
def test_pl_62_rolling_restart(service, installed, report):
    with mail.Load(rate=20) as load:
        cluster.wait_until(lambda: len(load.arrived()) > 20, 60, "mail flowing")
        cluster.restart(service)
        passed = len(load.arrived())
        cluster.wait_until(lambda: len(load.arrived()) > passed + 20, 60, "mail flowing again")
    outcome = load.settle()
    report.row(f"rolling restart of {service}", outcome)
    assert (outcome.lost, outcome.doubled, outcome.refused, outcome.broken) == (0, 0, 0, 0), (
        [event for event in load.events() if event["result"] != "acked"][:5])
    # While the store's only pod is away, clients are told to come again. Nobody else's restart is
    # seen from outside.
    if service != "spool-store":
        assert outcome.again == outcome.rejected == 0, (
            [event for event in load.events() if event["result"] != "acked"][:5])


def test_pl_62_a_worker_that_is_killed(installed, report):
    """Its leases run out, and others send what it had: at most those messages go out twice."""
    leases_max = 8
    with mail.Load(rate=20) as load:
        cluster.wait_until(lambda: len(load.arrived()) > 20, 60, "mail flowing")
        victim = cluster.ready("outbound-delivery")[0]["metadata"]["name"]
        cluster.kubectl("delete", "pod", victim, "--force", "--grace-period=0")
        passed = len(load.arrived())
        cluster.wait_until(lambda: len(load.arrived()) > passed + 100, 60, "mail flowing again")
        cluster.wait_rolled("outbound-delivery")
    outcome = load.settle()
    report.row("a worker is killed", outcome)
    assert (outcome.lost, outcome.refused, outcome.again, outcome.broken) == (0, 0, 0, 0)
    assert outcome.doubled <= leases_max
