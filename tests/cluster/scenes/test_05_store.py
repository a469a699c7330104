"""The store's pod is lost, its volume is not."""

from peers.fetchmail import Fetchmail
from support import cluster, mail


def test_pl_62_the_store_comes_back_with_its_volume(installed, report, tmp_path):
    with mail.Load(rate=30, domain="ship.example", count_max=100) as held:
        cluster.wait_until(lambda: len(held.events()) == 100, 60, "100 messages being held")
    with mail.Load(rate=10) as load:
        cluster.wait_until(lambda: len(load.arrived()) > 10, 60, "mail flowing")
        [pod] = cluster.pods("spool-store")
        cluster.kubectl("delete", "pod", pod["metadata"]["name"], "--wait=false")
        cluster.wait_until(
            lambda: [one for one in cluster.ready("spool-store")
                     if one["metadata"]["uid"] != pod["metadata"]["uid"]], 120, "another store")
        report.row("the store's pod is deleted, until another is ready")
        passed = len(load.arrived())
        cluster.wait_until(lambda: len(load.arrived()) > passed + 20, 90, "mail flowing again")
    outcome = load.settle()
    report.row("mail meanwhile", outcome)
    assert (outcome.lost, outcome.doubled, outcome.refused, outcome.broken) == (0, 0, 0, 0)

    done = Fetchmail(tmp_path).collect(
        366, "ship.example", "tide-table", ["ship.example"], mail.BRANCH, 2525,
        server=cluster.service_address())
    assert done.returncode == 0, done.stdout
    outcome = held.settle(30)
    report.row("100 messages held before that, collected after", outcome)
    assert (outcome.acked, outcome.lost, outcome.doubled) == (100, 0, 0)
