"""The renders in golden/ read by kubeconform, as the oldest and the newest Kubernetes would, with
the schemas of schemas.py."""

import pytest
import yaml
from conftest import NEWEST, OLDEST, VALUE_SETS
from trial import GOLDEN, objects

RENDERS = [GOLDEN / f"{name}.yaml" for name in VALUE_SETS]
# Whose objects others than Kubernetes define.
OTHERS = {"Certificate", "Issuer", "ScaledObject", "TriggerAuthentication", "PodMonitor",
          "ServiceMonitor", "PrometheusRule"}


def test_pl_61_the_oldest_and_the_newest_kubernetes_take_every_object(kubeconform):
    assert kubeconform(None, *RENDERS) == {}
    kinds = {one["kind"] for name in VALUE_SETS for one in objects(name)}
    assert kinds > OTHERS


def of_kind(kind):
    """The first object of a kind in the renders, to be changed."""
    return next(yaml.safe_load(yaml.safe_dump(one)) for name in VALUE_SETS for one in objects(name)
                if one["kind"] == kind)


def set_in(one, path, value):
    """Sets what `a/0/b` leads to; a key that ends in `-` is taken away."""
    *way, last = [int(key) if key.isdigit() else key for key in path.split("/")]
    for key in way:
        one = one[key]
    if isinstance(last, str) and last.endswith("-"):
        del one[last[:-1]]
    else:
        one[last] = value


POD = "spec/template/spec"
# What is wrong: (kind, where, value, what kubeconform says).
WRONG = {
    "a Deployment without selector":
        ("Deployment", "spec/selector-", None, "missing property 'selector'"),
    "a container without name":
        ("Deployment", f"{POD}/containers/0/name-", None, "missing property 'name'"),
    "a misspelt field":
        ("Deployment", f"{POD}/containers/0/readynessProbe", {}, "'readynessProbe' not allowed"),
    "a misspelt field of metadata":
        ("PodMonitor", "metadata/label", {}, "'label' not allowed"),
    "a field in the wrong place": ("Service", "port", 25, "'port' not allowed"),
    "a string for a number":
        ("StatefulSet", "spec/replicas", "3", "got string, want integer"),
    "a number for a string":
        ("StatefulSet", "spec/template/metadata/annotations/port", 9090,
         "got number, want string"),
    "half a pod": ("Deployment", "spec/replicas", 1.5, "got number, want integer"),
    "a number that is too large":
        ("StatefulSet", "spec/replicas", 2**31, "maximum: got 2.1"),
    "null": ("ConfigMap", "data", None, "got null, want object"),
    "a quantity that is none":
        ("StatefulSet", f"{POD}/containers/0/resources/requests/memory", "256 MB", "pattern"),
    "a Secret that is not in base 64": ("Secret", "data/tls.key", "not so", "pattern"),
    "a word that cert-manager does not know":
        ("Certificate", "spec/privateKey/rotationPolicy", "Sometimes", "value must be one of"),
    "a Certificate without issuer":
        ("Certificate", "spec/issuerRef-", None, "missing property 'issuerRef'"),
    "a trigger of which nothing is said":
        ("ScaledObject", "spec/triggers/0/metadata-", None, "missing property 'metadata'"),
    "an interval without unit":
        ("ServiceMonitor", "spec/endpoints/0/interval", "30", "pattern"),
    "an alert without expression":
        ("PrometheusRule", "spec/groups/0/rules/0/expr-", None, "missing property 'expr'"),
}


@pytest.mark.parametrize("what", WRONG)
def test_the_schemas_refuse(kubeconform, what):
    kind, path, value, message = WRONG[what]
    one = of_kind(kind)
    set_in(one, path, value)
    found = kubeconform(yaml.safe_dump(one))
    assert found.keys() == {OLDEST, NEWEST}
    for said in found.values():
        assert message in said


def test_a_field_that_only_the_newest_has_is_refused_for_the_oldest(kubeconform):
    """So the two are not the same schema."""
    one = of_kind("Deployment")
    set_in(one, f"{POD}/containers/0/restartPolicyRules", [])
    assert kubeconform(yaml.safe_dump(one)).keys() == {OLDEST}


def test_an_api_that_is_gone_is_refused(kubeconform):
    one = {**of_kind("PodDisruptionBudget"), "apiVersion": "policy/v1beta1"}
    found = kubeconform(yaml.safe_dump(one))
    assert found.keys() == {OLDEST, NEWEST}
    for said in found.values():
        assert "could not find schema for PodDisruptionBudget" in said


def test_a_key_that_comes_twice_is_refused(kubeconform):
    found = kubeconform(yaml.safe_dump(of_kind("ConfigMap")) + "kind: ConfigMap\n")
    assert found.keys() == {OLDEST, NEWEST}
    for said in found.values():
        assert 'key "kind" already set' in said
