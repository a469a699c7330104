"""The node's Kubernetes, from a process in its network: kubectl, helm, and questions to pods."""

import json
import os
import pathlib
import re
import subprocess
import time
import urllib.request

import yaml

TOP = pathlib.Path(__file__).resolve().parents[3]
FOLDER = pathlib.Path(os.environ.get("TURNPIKE_CLUSTER") or TOP / "build/cluster")
VALUES = TOP / "tests/cluster/values.yaml"
NAMESPACE = "gateway"
RELEASE = "turnpike"
SERVICES = ("smtp-frontend", "auth-service", "gateway-dequeue", "outbound-delivery", "spool-store")
METRICS = {"spool-store": 7201, "auth-service": 7202, "gateway-dequeue": 7203,
           "smtp-frontend": 7204, "outbound-delivery": 7205}


class Failed(AssertionError):
    """A command that did not end well; says what it printed."""


def run(*words, stdin=None, timeout=300):
    """Runs a command; what it printed."""
    done = subprocess.run([str(word) for word in words], input=stdin, capture_output=True, text=True,
                          timeout=timeout)
    if done.returncode:
        raise Failed(f"{' '.join(map(str, words))}: exit status {done.returncode}\n"
                     f"{done.stdout}{done.stderr}")
    return done.stdout


def kubectl(*words, stdin=None, timeout=300):
    return run(FOLDER / "bin/kubectl", "--namespace", NAMESPACE, *words, stdin=stdin, timeout=timeout)


def helm(*words, timeout=600):
    return run(FOLDER / "bin/helm", "--namespace", NAMESPACE, *words, timeout=timeout)


def create_namespace():
    apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {
        "name": NAMESPACE,
        # The strictest of Kubernetes' own levels: a pod that wants more than it should is refused.
        "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}})


def upgrade(*files, timeout=240):
    """Installs the chart, or changes the release, with these value files; waits until all is ready."""
    words = [word for file in files for word in ("--values", file)]
    return helm("upgrade", "--install", RELEASE, TOP / "charts/turnpike", "--create-namespace",
                "--wait", "--timeout", f"{timeout}s", *words, timeout=timeout + 60)


def apply(*objects):
    kubectl("apply", "--server-side", "--force-conflicts", "--filename", "-",
            stdin=yaml.safe_dump_all(objects))


def secret(name, files):
    """A Secret with these texts by their names; replaced where it is there."""
    apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": files})


def objects(kind, *words):
    return json.loads(kubectl("get", kind, *words, "--output", "json"))["items"]


def pods(service):
    """The pods of a service that are not about to end."""
    found = objects("pods", "--selector", f"app.kubernetes.io/component={service}")
    return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]


def ready(service):
    """Those that are ready."""
    return [pod for pod in pods(service) if any(
        one["type"] == "Ready" and one["status"] == "True"
        for one in pod["status"].get("conditions", []))]


def identities(*services):
    """What changes when pods are replaced or their containers start again."""
    return {pod["metadata"]["name"]: (pod["metadata"]["uid"],
                                      pod["status"]["containerStatuses"][0]["restartCount"])
            for service in services or SERVICES for pod in pods(service)}


def workload(service):
    kind = "statefulset" if service == "spool-store" else "deployment"
    return f"{kind}/{RELEASE}-{service}"


def scale(service, replicas):
    """Changes the number of pods, and waits until they are ready and others are gone."""
    kubectl("scale", workload(service), f"--replicas={replicas}")
    wait_rolled(service)
    wait_until(lambda: len(all_pods(service)) == replicas, 120, f"{replicas} pods of {service}")


def all_pods(service):
    return objects("pods", "--selector", f"app.kubernetes.io/component={service}")


def wait_rolled(service, seconds=180):
    kubectl("rollout", "status", workload(service), f"--timeout={seconds}s", timeout=seconds + 30)


def restart(service):
    """A rolling restart, to its end: also the old pods are gone."""
    old = {pod["metadata"]["uid"] for pod in all_pods(service)}
    kubectl("rollout", "restart", workload(service))
    wait_rolled(service)
    wait_until(lambda: not old & {pod["metadata"]["uid"] for pod in all_pods(service)}, 120,
               f"the old pods of {service} being gone")


def service_address(name=f"{RELEASE}-smtp"):
    """The cluster's address of a Service."""
    return kubectl("get", "service", name, "--output", "jsonpath={.spec.clusterIP}")


def metric_of(pod, name, **labels):
    """The sum of a metric with these labels in one pod."""
    service = pod["metadata"]["labels"]["app.kubernetes.io/component"]
    total = 0.0
    url = f"http://{pod['status']['podIP']}:{METRICS[service]}/metrics"
    with urllib.request.urlopen(url, timeout=10) as page:
        for line in page.read().decode().splitlines():
            found = re.fullmatch(rf"{name}(?:{{(.*)}})? (\S+)", line)
            if found and all(f'{key}="{value}"' in (found.group(1) or "")
                             for key, value in labels.items()):
                total += float(found.group(2))
    return total


def metric(service, name, **labels):
    """The same over a service's ready pods."""
    return sum(metric_of(pod, name, **labels) for pod in ready(service))


def wait_until(condition, seconds, what):
    """Polls until `condition` gives a true value, and returns that. A failed command is no answer."""
    deadline = time.monotonic() + seconds
    last = None
    while True:
        try:
            value = condition()
            if value:
                return value
        except (Failed, OSError) as error:
            last = error
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come true within {seconds} s ({last})")
        time.sleep(0.5)
