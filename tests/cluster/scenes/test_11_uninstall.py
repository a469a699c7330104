"""The release goes, the mail stays."""

from peers.fetchmail import Fetchmail
from support import cluster, mail


def test_pl_62_uninstall_leaves_the_volume(installed, report, tmp_path):
    with mail.Load(rate=20, domain="ship.example", count_max=40) as held:
        cluster.wait_until(lambda: len(held.events()) == 40, 60, "40 messages being held")
    cluster.helm("uninstall", cluster.RELEASE, "--wait")
    cluster.wait_until(lambda: not any(map(cluster.all_pods, cluster.SERVICES)), 120,
                       "all pods being gone")
    report.row("helm uninstall, until all pods are gone")
    claims = {claim["metadata"]["name"]: claim["status"]["phase"]
              for claim in cluster.objects("persistentvolumeclaims")}
    assert claims[f"spool-{cluster.RELEASE}-spool-store-0"] == "Bound"

    cluster.upgrade(cluster.VALUES)
    report.row("helm install again")
    done = Fetchmail(tmp_path).collect(
        366, "ship.example", "tide-table", ["ship.example"], mail.BRANCH, 2525,
        server=cluster.service_address())
    assert done.returncode == 0, done.stdout
    outcome = held.settle(30)
    report.row("40 messages held before that, collected after", outcome)
    assert (outcome.acked, outcome.lost, outcome.doubled) == (40, 0, 0)
