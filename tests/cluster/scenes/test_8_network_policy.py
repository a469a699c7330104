"""Who is not named by a NetworkPolicy does not get through."""

import pytest
from support import cluster

LABELS = {
    "operator": {"app.kubernetes.io/name": "turnpike", "app.kubernetes.io/instance": "turnpike",
                 "app.kubernetes.io/component": "turnpikectl"},
    "stranger": {"app.kubernetes.io/name": "stranger"},
}


def run_pod(name, labels):
    """Asks the store from a pod of its own with these labels; its last phase."""
    image = cluster.objects("statefulsets")[0]["spec"]["template"]["spec"]["containers"][0]["image"]
    store = f"dns:///{cluster.RELEASE}-spool-store:7101"
    cluster.apply({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "securityContext": {"runAsNonRoot": True, "runAsUser": 10001, "runAsGroup": 10001,
                                "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{
                "name": "ctl", "image": image.replace("spool-store", "turnpikectl"),
                "args": ["--timeout", "8s", "queue", "list"],
                "env": [{"name": "TURNPIKE_SPOOL_STORE", "value": store}],
                "securityContext": {"allowPrivilegeEscalation": False,
                                    "readOnlyRootFilesystem": True,
                                    "capabilities": {"drop": ["ALL"]}}}]}})
    try:
        return cluster.wait_until(
            lambda: {pod["metadata"]["name"]: pod["status"]["phase"] for pod in
                     cluster.objects("pods")}.get(name) in ("Succeeded", "Failed")
            and next(pod["status"]["phase"] for pod in cluster.objects("pods")
                     if pod["metadata"]["name"] == name), 60, f"the pod {name} ending")
    finally:
        cluster.kubectl("delete", "pod", name, "--wait=false")


@pytest.mark.parametrize("who, phase", [("operator", "Succeeded"), ("stranger", "Failed")])
def test_pl_62_a_network_policy_bites(who, phase, installed, report):
    ended = run_pod(who, LABELS[who])
    report.row(f"a pod that is {'an operator' if who == 'operator' else 'a stranger'} asks the store",
               note=ended)
    assert ended == phase
