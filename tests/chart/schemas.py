#!/usr/bin/python3 -B
"""JSON schemas of Kubernetes' objects, and of those of the Prometheus operator, cert-manager and KEDA
that the chart makes, out of what their makers publish in their Go modules. kubeconform reads them.

    tests/chart/schemas.py crds     prints the others' CustomResourceDefinitions

Stricter than what an API server takes: a field that a type does not have is an error, as is null. Not
so strict in two things, which Kubernetes' document does not say: the words that a field may have, and
the forms of names. `make apiserver-test` has these."""

import json
import sys

import go_module
import yaml

# The checksums of api/openapi-spec/swagger.json, by the versions of k8s.io/kubernetes.
KUBERNETES = {
    "v1.30.14": "137f22097f146caa3150deda2eccceec1ecd0b628054d1887bf55f93e715c7cb",
    "v1.37.2": "465276aedf437726de5a6ed23a41b86d78bb0d347edf251a755ae26a93cdd8a6",
}

# (module, {path: checksum})
CRDS = (
    ("github.com/prometheus-operator/prometheus-operator@v0.85.0", {
        "example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml":
            "8ce88c52c51209993511cae093089c9525f5552def88119e3f559123ee9d454b",
        "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml":
            "1dae27b7189b5ce7b9ab764656c18b4c75a45cde1e6f3af6a5e84c4317628919",
        "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml":
            "98fd16c9ab79fba8dcd6ef62c957c98cd6546ab74ce0a4ecf09ddf2fda03020e",
    }),
    ("github.com/cert-manager/cert-manager@v1.21.2", {
        "deploy/crds/cert-manager.io_certificates.yaml":
            "7ad91029c00ec959d54215b19d3b1a9b7e0247eaa60f987151c2b70d8661f8af",
        "deploy/crds/cert-manager.io_issuers.yaml":
            "05e37efb02777e0362d24269fa103c2fc11419f9c85e31854ef873e5d9e5c5cc",
        "deploy/crds/cert-manager.io_clusterissuers.yaml":
            "30008001b78aafb8e110af61359561104b5fafc3a4dc6ac0013245d0ee3fe4ca",
    }),
    ("github.com/kedacore/keda/v2@v2.21.0", {
        "config/crd/bases/keda.sh_scaledobjects.yaml":
            "af35555862a83933b074af14ad439c4b4ceabaf4daa3e9338e9b23e36d308d80",
        "config/crd/bases/keda.sh_triggerauthentications.yaml":
            "ed59ab37b2fa9a18119484a3dbd849b0b18ed25e1aea91d9f1305d4da2215bd8",
    }),
)

# How kubeconform finds what write() writes.
PLACE = "{{.Group}}_{{.ResourceAPIVersion}}_{{.ResourceKind}}.json"

META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
REFERENCE = "#/definitions/"

NUMBER = r"([0-9]+\.?[0-9]*|\.[0-9]+)"
# What `type: string` and `type: integer` leave open.
INT32 = {"minimum": -2**31, "maximum": 2**31 - 1}
FORMATS = {
    "int32": INT32,
    "byte": {"pattern": "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"},
}
# Of these two, the document describes only how they are written as strings.
SPECIAL = {
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": {"type": ["integer", "string"], **INT32},
    "io.k8s.apimachinery.pkg.api.resource.Quantity": {"anyOf": [{"type": "number"}, {
        "type": "string",
        "pattern": f"^[+-]?{NUMBER}([KMGTPE]i|[numkMGTPE]|[eE][+-]?{NUMBER})?$"}]},
}


def strict(schema, is_part=False):
    """A schema without what no validator needs, and closed: no fields but its own. A part of another
    schema (of its anyOf, say) is not closed: it names some of the fields only."""
    made = dict(FORMATS.get(schema.get("format"), {}))
    for key, value in schema.items():
        if key == "properties":
            made[key] = {name: strict(field, is_part) for name, field in value.items()}
        elif key in ("allOf", "anyOf", "oneOf"):
            made[key] = [strict(part, True) for part in value]
        elif key == "not" or key in ("items", "additionalProperties") and isinstance(value, dict):
            made[key] = strict(value, is_part or key == "not")
        elif key not in ("description", "default") and not key.startswith("x-"):
            made[key] = value
    is_open = is_part or schema.get("x-kubernetes-preserve-unknown-fields")
    if "properties" in schema and not is_open:
        made.setdefault("additionalProperties", False)
    return made


def references(schema):
    """The names of definitions that a schema refers to."""
    if isinstance(schema, dict):
        reference = schema.get("$ref")
        if isinstance(reference, str):
            yield reference.removeprefix(REFERENCE)
        schema = list(schema.values())
    if isinstance(schema, list):
        for part in schema:
            yield from references(part)


def with_definitions(schema, definitions):
    """The schema of an object, with every definition that it needs and no other."""
    used, waiting = {}, list(references(schema))
    while waiting:
        name = waiting.pop()
        if name not in used:
            used[name] = definitions[name]
            waiting.extend(references(definitions[name]))
    required = {"apiVersion", "kind", "metadata", *schema.get("required", [])}
    return {**schema, "required": sorted(required), "definitions": used}


def crds():
    """The text of each CustomResourceDefinition."""
    return [go_module.read(module, path, sha256)
            for module, paths in CRDS for path, sha256 in paths.items()]


def write(version, folder):
    """Writes a schema for every kind of that Kubernetes and of the others into `folder`."""
    swagger = json.loads(go_module.read(
        f"k8s.io/kubernetes@{version}", "api/openapi-spec/swagger.json", KUBERNETES[version]))
    definitions = {name: strict(schema) for name, schema in swagger["definitions"].items()}
    definitions.update(SPECIAL)

    def keep(group, api_version, kind, schema):
        # In kubeconform's words, `v1` of the oldest objects is their group, too.
        path = folder / f"{group or api_version}_{api_version}_{kind.lower()}.json"
        path.write_text(json.dumps(with_definitions(schema, definitions)))

    for name, schema in swagger["definitions"].items():
        for kind in schema.get("x-kubernetes-group-version-kind", []):
            if "metadata" in schema.get("properties", {}):
                keep(kind["group"], kind["version"], kind["kind"], definitions[name])
    for text in crds():
        spec = yaml.load(text, yaml.CSafeLoader)["spec"]
        for one in spec["versions"]:
            schema = strict(one["schema"]["openAPIV3Schema"])
            schema["properties"]["metadata"] = {"$ref": REFERENCE + META}
            keep(spec["group"], one["name"], spec["names"]["kind"], schema)


if __name__ == "__main__":
    if sys.argv[1:] != ["crds"]:
        sys.exit(f"usage: {sys.argv[0]} crds")
    for text in crds():
        print("---\n" + text)
