"""Workers come and go by themselves, as many as what waits asks for: Kubernetes' own autoscaler, by the
figures of a Prometheus that scrapes the pods, configured as docs/kubernetes.md says."""

import json

import pytest
import yaml
from support import cluster, documented, mail

SERVICE = "outbound-delivery"
WORKERS_MAX = 4
MONITORING = cluster.TOP / "tests/cluster/monitoring.yaml"
METRIC = ("/apis/external.metrics.k8s.io/v1beta1/namespaces/"
          f"{cluster.NAMESPACE}/turnpike_spool_deliveries?labelSelector=state+in+(ready,leased)")

# What differs from the page, because the scene is to be a short one.
QUICK = {
    "outboundDelivery": {
        "replicas": None,
        "autoscaling": {
            "maxReplicas": WORKERS_MAX,
            "deliveriesPerWorker": 20,
            "behavior": {"scaleDown": {
                "stabilizationWindowSeconds": 10,
                "policies": [{"type": "Percent", "value": 100, "periodSeconds": 5}]}}}}}


def kubectl(*words, stdin=None):
    """As cluster.kubectl, for objects that say their namespace themselves."""
    return cluster.run(cluster.FOLDER / "bin/kubectl", *words, stdin=stdin)


def of_prometheus():
    """The page's configuration, for this release's namespace, with scrapes that are as often."""
    text = documented.block("yaml prometheus")
    assert ".mail.svc" in text
    return ("global: {scrape_interval: 5s}\n" +
            text.replace(".mail.svc", f".{cluster.NAMESPACE}.svc")
            .replace("replacement: mail", f"replacement: {cluster.NAMESPACE}"))


def config_map(name, file, text):
    return {"apiVersion": "v1", "kind": "ConfigMap", "data": {file: text},
            "metadata": {"name": name, "namespace": "monitoring"}}


@pytest.fixture
def monitoring():
    """Prometheus and prometheus-adapter, by the page's words."""
    objects = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "monitoring"}},
        config_map("prometheus", "prometheus.yml", of_prometheus()),
        config_map("prometheus-adapter", "config.yaml",
                   documented.block("yaml prometheus-adapter")),
        *yaml.safe_load_all(MONITORING.read_text())]
    text = yaml.safe_dump_all(objects)
    kubectl("apply", "--server-side", "--force-conflicts", "--filename", "-", stdin=text)
    try:
        for name in ("prometheus", "prometheus-adapter"):
            kubectl("--namespace", "monitoring", "rollout", "status", f"deployment/{name}",
                    "--timeout=120s")
        yield
    finally:
        kubectl("delete", "--ignore-not-found", "--wait=false", "--filename", "-", stdin=text)


@pytest.fixture
def autoscaled(installed, monitoring, tmp_path):
    """The release with the page's values for autoscaling by the queue, and without them after."""
    page, quick = tmp_path / "page.yaml", tmp_path / "quick.yaml"
    page.write_text(documented.block("yaml queue-values"))
    quick.write_text(yaml.safe_dump(QUICK))
    cluster.upgrade(cluster.VALUES, page, quick)
    yield
    cluster.upgrade(cluster.VALUES)


def waiting():
    """How many deliveries wait, as the autoscaler sees it."""
    items = json.loads(kubectl("get", "--raw", METRIC))["items"]
    assert items
    return sum(int(item["value"].removesuffix("m")) / (1000 if item["value"].endswith("m") else 1)
               for item in items)


def workers():
    """How many pods the autoscaler wants; None while it has no figure of the queue."""
    status = cluster.objects("hpa")[0]["status"]
    has_figure = any(one["type"] == "ScalingActive" and one["status"] == "True"
                     for one in status.get("conditions", []))
    return status["desiredReplicas"] if has_figure else None


def are(count):
    return workers() == count == len(cluster.all_pods(SERVICE)) == len(cluster.ready(SERVICE))


def test_pl_61_workers_come_and_go_with_the_queue(installed, report, autoscaled):
    report.row("Prometheus, its adapter, and helm upgrade to autoscaling by the queue")
    cluster.wait_until(lambda: waiting() == 0 and are(1), 180, "one worker for an empty queue")
    report.row("until the autoscaler has a figure, and leaves one worker")
    with mail.Load(rate=30, domain="slow.example") as load:
        cluster.wait_until(lambda: are(WORKERS_MAX), 180, f"{WORKERS_MAX} workers")
        report.row(f"slow server, until there are {WORKERS_MAX} workers by themselves",
                   note=f"{waiting():.0f} deliveries wait")
    outcome = load.settle(240)
    report.row("the rest of it", outcome)
    cluster.wait_until(lambda: are(1), 180, "one worker again")
    report.row("until there is one worker again")
    assert (outcome.lost, outcome.doubled, outcome.refused) == (0, 0, 0)
    # Also what the last workers had when they were taken away.
    assert load.outcome().doubled == 0
    assert cluster.metric("spool-store", "turnpike_spool_deliveries", state="leased") == 0
