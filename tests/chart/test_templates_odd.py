"""Odd but legal ways to install the chart: what comes out is well formed, and every name that
Kubernetes limits keeps to its limit."""

import re

import pytest
import yaml

LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
# What Kubernetes asks of names that no schema says. Pods of a StatefulSet have a label with its name
# and a checksum of 10 characters.
NAMES = {"Service": r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?",
         "StatefulSet": r"[a-z0-9]([a-z0-9-]{0,50}[a-z0-9])?"}
LABEL_VALUE = r"([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?"
LONG = "the-mail-gateway-of-the-harbour-and-of-the-whole-town"
PLACE = {"nodeSelector": {"pool": "mail"}, "tolerations": [{"key": "mail", "operator": "Exists"}],
         "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
             {"topologyKey": "kubernetes.io/hostname",
              "labelSelector": {"matchLabels": {"app.kubernetes.io/component": "spool-store"}}}]}},
         "priorityClassName": "mail", "serviceAccountName": "mail"}
LISTENER = {"enabled": True, "role": "smtp", "port": 25, "containerPort": 2600}

# What is odd: (the release, values).
ODD = {
    "the longest name of a release": (LONG, {}),
    "a name with dots": ("mail.eu", {"tls": {"mode": "certManager"}}),
    "the longest prefix": ("t", {"fullnameOverride": LONG[:40].rstrip("-"),
                                 "spoolStore": {"shards": 3}}),
    "another name": ("t", {"nameOverride": "post"}),
    "labels everywhere": ("t", {"commonLabels": {"team": "mail", "tier": "front"},
                                "defaults": {"podLabels": {"tier": "back"}}}),
    "a place for each service": ("t", {
        "smtpFrontend": PLACE, "authService": PLACE, "gatewayDequeue": PLACE,
        "outboundDelivery": PLACE, "spoolStore": {**PLACE, "shards": 3}}),
    "a place for all": ("t", {"defaults": PLACE, "spoolStore": {"shards": 1, "shardsBefore": 2}}),
    "another registry": ("t", {"global": {
        "imageRegistry": "registry.example.net", "imagePullSecrets": ["a"], "ofAnotherChart": 1}}),
    "IPv6 alone": ("t", {"listenAddress": "[::]", "smtpFrontend": {"service": {
        "type": "LoadBalancer", "ipFamilyPolicy": "SingleStack", "ipFamilies": ["IPv6"]}}}),
    "a listener with another name": ("t", {"smtpFrontend": {"listeners": {
        "mx": None, "inbound": LISTENER}}}),
    "one listener, within the pod only": ("t", {"smtpFrontend": {"listeners": {
        "mx": {"port": None}, "odmr": {"port": 2366}}}}),
    "the most shards": ("t", {"spoolStore": {"shards": 256}, "tls": {"mode": "certManager"}}),
    "a container besides": ("t", {"smtpFrontend": {
        "extraContainers": [{"name": "a", "image": "a:1"}]}}),
    "nothing on": ("t", {
        "canary": {"enabled": False}, "networkPolicy": {"enabled": False},
        "configCheck": {"onUpgrade": False}, "tls": {"mode": "disabled"},
        "defaults": {"spreadOver": []},
        "smtpFrontend": {"replicas": 0, "listeners": {"odmr": None}},
        "spoolStore": {"persistence": {"enabled": False}}}),
    "nothing said": ("t", {
        "defaults": {key: None for key in (*PLACE, "podLabels", "podAnnotations", "spreadOver",
                                           "extraEnv", "extraVolumes", "extraVolumeMounts")},
        "secretMounts": None, "extraManifests": None, "commonLabels": None}),
}


def objects_of(done):
    """What a `helm template` that ended made."""
    assert done.returncode == 0, done.stderr
    return [one for one in yaml.load_all(done.stdout, yaml.CSafeLoader) if one]


@pytest.fixture(scope="module")
def rendered(chart, tmp_path_factory):
    """{what is odd: (file, objects)}."""
    folder = tmp_path_factory.mktemp("odd")
    found = {}
    for number, (what, (release, values)) in enumerate(ODD.items()):
        (folder / "values.yaml").write_text(yaml.safe_dump(values))
        done = chart.render("--values", folder / "values.yaml", release=release)
        path = folder / f"{number}.yaml"
        path.write_text(done.stdout)
        found[what] = path, objects_of(done)
    return found


def test_kubernetes_takes_what_is_odd(rendered, kubeconform):
    assert kubeconform(None, *(path for path, _ in rendered.values())) == {}


def pod_of(one):
    """The pod that an object is or makes, or nothing."""
    return one if one["kind"] == "Pod" else one["spec"].get("template") if "spec" in one else None


def pods(objects):
    """{name of the object: pod} of everything that makes pods."""
    return {one["metadata"]["name"]: pod_of(one) for one in objects if pod_of(one)}


@pytest.mark.parametrize("what", ODD)
def test_names_keep_to_their_limits(rendered, what):
    _, objects = rendered[what]
    names = [(one["kind"], one["metadata"]["name"]) for one in objects]
    assert len(names) == len(set(names))
    for one in objects:
        name = one["metadata"]["name"]
        assert re.fullmatch(NAMES.get(one["kind"], LABEL), name), (one["kind"], name)
        for value in one["metadata"]["labels"].values():
            assert re.fullmatch(LABEL_VALUE, value), (name, value)
        if one["kind"] == "Certificate":
            assert len(one["spec"]["commonName"]) <= 64
    for name, pod in pods(objects).items():
        for value in pod["metadata"]["labels"].values():
            assert re.fullmatch(LABEL_VALUE, value), (name, value)
        volumes = {volume["name"] for volume in pod["spec"]["volumes"]} | {"spool"}
        for container in pod["spec"]["containers"] + pod["spec"].get("initContainers", []):
            assert re.fullmatch(LABEL, container["name"])
            assert {mount["name"] for mount in container.get("volumeMounts", [])} <= volumes
            for port in container.get("ports", []):
                assert re.fullmatch(r"(?!.*--)[a-z0-9-]{1,15}", port["name"])


def test_every_object_and_pod_has_the_common_labels(rendered):
    _, objects = rendered["labels everywhere"]
    for one in objects:
        assert one["metadata"]["labels"]["team"] == "mail", one["metadata"]["name"]
    for name, pod in pods(objects).items():
        # `defaults` says more of pods than commonLabels.
        labels = pod["metadata"]["labels"]
        assert (labels["team"], labels["tier"]) == ("mail", "back"), name


@pytest.mark.parametrize("what", ["a place for each service", "a place for all"])
def test_pods_are_where_the_values_say(rendered, what):
    """The Jobs and the canary as well: where nodes refuse pods without a toleration, an upgrade would
    wait for its check in vain."""
    _, objects = rendered[what]
    own = {"canary", "config-check", "mail-passes", "services-answer", "drain-shards"}
    seen = set()
    for name, pod in pods(objects).items():
        short = name.removeprefix("t-turnpike-")
        seen.add(short)
        for key, value in PLACE.items():
            expected = None if what == "a place for each service" and short in own else value
            assert pod["spec"].get(key) == expected, (name, key)
    assert seen >= own - {"drain-shards"} and ("drain-shards" in seen) == (what == "a place for all")


def test_removed_listeners_are_gone_and_new_ones_are_everywhere(rendered):
    _, objects = rendered["a listener with another name"]
    [service] = [one for one in objects
                 if one["kind"] == "Service" and one["metadata"]["name"].endswith("-smtp")]
    assert [port["name"] for port in service["spec"]["ports"]] == ["inbound", "odmr"]
    [document] = [one["data"]["turnpike.yaml"] for one in objects
                  if one["kind"] == "ConfigMap" and one["metadata"]["name"] == "t-turnpike-config"]
    listeners = yaml.safe_load(document)["smtp"]["listeners"]
    assert [one["name"] for one in listeners] == ["inbound", "odmr"]
    frontend = pods(objects)["t-turnpike-smtp-frontend"]["spec"]["containers"][0]
    assert {port["name"] for port in frontend["ports"]} == {"grpc", "metrics", "inbound", "odmr"}


def test_releases_in_one_namespace_do_not_meet(chart):
    """Names that begin alike, one within another, and those that differ only in what is cut off."""
    releases = ("mail", "mail-eu", "turnpike", LONG[:-1] + "x", LONG[:-1] + "y")
    made = {release: objects_of(chart.render(release=release)) for release in releases}
    names = [(one["kind"], one["metadata"]["name"])
             for objects in made.values() for one in objects]
    assert len(names) == len(set(names))
    for release, objects in made.items():
        selectors = [one["spec"]["selector"] for one in objects if one["kind"] == "Service"]
        selectors += [one["spec"]["podSelector"]["matchLabels"] for one in objects
                      if one["kind"] == "NetworkPolicy"]
        others = [pod["metadata"]["labels"] for other, theirs in made.items() if other != release
                  for pod in pods(theirs).values()]
        for selector in selectors:
            assert not [labels for labels in others if selector.items() <= labels.items()]
