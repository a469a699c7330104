"""The values: each is explained, each is used, and the chart's README says the same.

`UPDATE=1` writes the README, for a diff to be looked at."""

import os
import re

import yaml
from conftest import TOP
from values_readme import make_readme, values_of

CHART = TOP / "charts/turnpike"
TEXT = (CHART / "values.yaml").read_text()


def test_the_readme_is_that_of_the_values():
    made = make_readme(TEXT, yaml.safe_load((CHART / "Chart.yaml").read_text()))
    if os.environ.get("UPDATE"):
        (CHART / "README.md").write_text(made)
    assert made == (CHART / "README.md").read_text(), "run with UPDATE=1 and look at the difference"


def test_every_value_has_a_comment_that_begins_with_its_name():
    for value in values_of(TEXT):
        if value.default:
            name = value.path.rpartition(".")[2]
            assert value.comment, value.path
            assert any(line.startswith((f"{name} ", f"{name},")) for line in value.comment), value.path


def test_every_value_is_used():
    """By its own name in a template or, for the parts of a pod that all services have, there."""
    templates = "\n".join(path.read_text() for path in (CHART / "templates").rglob("*")
                          if path.is_file())
    unused = []

    def look(node, path):
        for key, value in node.items():
            if not re.search(rf'[."]{key}\b', templates):
                unused.append(".".join([*path, key]))
            # Below these are Kubernetes' own keys, listeners' names, and names of services.
            if isinstance(value, dict) and key not in ("resources", "labels", "existingSecrets"):
                look(value, [*path, key] if key != "listeners" else path)

    values = yaml.safe_load(TEXT)
    listeners = values["smtpFrontend"].pop("listeners")
    look(values, [])
    for listener in listeners.values():
        look(listener, ["listeners"])
    assert not unused


def test_the_schema_knows_every_value_and_no_other():
    """A value that the schema has and values.yaml lacks could not be found by its reader."""
    schema = yaml.safe_load((CHART / "values.schema.json").read_text())

    def keys(node):
        return {key: keys(value) for key, value in node.get("properties", {}).items()
                if node.get("additionalProperties") is False}

    def compare(known, values, path):
        assert values.keys() <= known.keys(), (path, values.keys() - known.keys())
        # What `defaults` has may be said of every service, and is not repeated there.
        common = set(keys(schema)["defaults"]) if len(path) == 1 else set()
        assert known.keys() - values.keys() <= common, (path, known.keys() - values.keys())
        for key, value in values.items():
            if isinstance(value, dict) and value and known[key] and key != "resources":
                compare(known[key], value, [*path, key])

    compare(keys(schema), yaml.safe_load(TEXT), [])


def test_no_value_may_be_left_empty_unless_that_means_something():
    """In YAML `canary:` and no more is null, by which Helm takes the default away: for a mapping that
    ended in a template's own words, for a number in 0."""
    schema = yaml.safe_load((CHART / "values.schema.json").read_text())

    def look(known, values, path):
        for key, value in values.items():
            of_key = known["properties"].get(key)
            if of_key is None:
                continue  # a listener, of which the templates say what is missing
            is_closed = bool(value) and of_key.get("additionalProperties") is False
            may_be_null = value in (None, "") or "null" in of_key.get("type", ())
            if is_closed or not may_be_null and not isinstance(value, (dict, list)):
                assert key in known["required"], (path, key)
            if is_closed and "properties" in of_key:
                look(of_key, value, [*path, key])

    look(schema, yaml.safe_load(TEXT), [])
