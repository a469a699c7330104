"""More workers send more where the other server is slow, fewer send less, and nothing is stranded."""

import time

from support import cluster, mail

SECONDS = 15


def throughput(load):
    """Messages a second that come out, over some seconds."""
    before = len(load.arrived())
    time.sleep(SECONDS)
    return (len(load.arrived()) - before) / SECONDS


def test_pl_62_workers_from_1_to_4_to_1(installed, report):
    service = "outbound-delivery"
    cluster.scale(service, 1)
    rates = []
    with mail.Load(rate=30, domain="slow.example") as load:
        for workers in (1, 4, 1):
            cluster.scale(service, workers)
            rates.append(throughput(load))
            report.row(f"slow server, {workers} worker{'s'[:workers - 1]}",
                       note=f"{rates[-1]:.1f} messages/s")
    cluster.scale(service, 4)
    outcome = load.settle(240)
    report.row("the rest of it, by 4 workers", outcome)
    cluster.scale(service, 2)
    assert rates[1] > 2 * rates[0] and rates[1] > 2 * rates[2], rates
    assert (outcome.lost, outcome.doubled, outcome.refused) == (0, 0, 0)
    assert cluster.metric("spool-store", "turnpike_spool_deliveries", state="leased") == 0
