"""A second store comes and goes again, and its mail is not lost with it."""

import pytest
import yaml
from peers.fetchmail import Fetchmail
from support import cluster, mail


@pytest.fixture
def two_shards(tmp_path):
    path = tmp_path / "shards.yaml"
    path.write_text(yaml.safe_dump({"spoolStore": {"shards": 2}}))
    return path


def in_each_shard():
    """How many deliveries each store has."""
    return [cluster.metric_of(pod, "turnpike_spool_deliveries")
            for pod in cluster.ready("spool-store")]


def test_pl_27_a_shard_comes_and_is_drained(installed, report, two_shards, tmp_path):
    cluster.upgrade(cluster.VALUES)
    with mail.Load(rate=10) as load:
        cluster.upgrade(cluster.VALUES, two_shards, timeout=400)
        report.row("a second shard of the store, until all pods know it")
        passed = len(load.arrived())
        cluster.wait_until(lambda: len(load.arrived()) > passed + 20, 60, "mail flowing")
        with mail.Load(rate=20, domain="ship.example", count_max=80) as held:
            cluster.wait_until(lambda: len(held.events()) == 80, 60, "80 messages being held")
        cluster.wait_until(lambda: sum(in_each_shard()) >= 80, 30, "figures of 80 messages")
        kept = in_each_shard()
        report.row("80 messages are held", note=f"by each shard: {kept}")
        assert len(kept) == 2 and min(kept) >= 20

        cluster.upgrade(cluster.VALUES, timeout=400)
        report.row("its mail is moved and it goes again")
        assert len(cluster.pods("spool-store")) == 1
        # Nothing is left on it; a shard that came back with it would still be one that takes no mail.
        cluster.kubectl("delete", "pvc", f"spool-{cluster.RELEASE}-spool-store-1")
        passed = len(load.arrived())
        cluster.wait_until(lambda: len(load.arrived()) > passed + 20, 60, "mail flowing")
    outcome = load.settle()
    report.row("mail meanwhile", outcome)
    assert (outcome.lost, outcome.doubled, outcome.refused, outcome.broken) == (0, 0, 0, 0)

    done = Fetchmail(tmp_path).collect(
        366, "ship.example", "tide-table", ["ship.example"], mail.BRANCH, 2525,
        server=cluster.service_address())
    assert done.returncode == 0, done.stdout
    outcome = held.settle(30)
    report.row("the held messages, collected from the store that is left", outcome)
    assert (outcome.acked, outcome.lost, outcome.doubled) == (80, 0, 0)
