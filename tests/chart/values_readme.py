"""The chart's README out of the comments in values.yaml.

A value's comment stands above it and begins with its name: `# replicas is …`. Values below a mapping
that is written on one line are part of that value."""

import json
import re

import yaml


class Value:
    """A value: path (`tls.mode`), default as JSON, comment."""

    def __init__(self, path, default, comment):
        self.path, self.default, self.comment = path, default, comment


def comment_above(lines, number, indent):
    """The comment that ends just above line `number`, at the same depth."""
    found = []
    while number > 0 and re.match(rf" {{{indent}}}#", lines[number - 1]):
        number -= 1
        found.insert(0, re.sub(r"^ *# ?", "", lines[number]))
    return found


def is_leaf(node):
    return not isinstance(node, yaml.MappingNode) or node.flow_style or not node.value


def values_of(text):
    """Every value of the file, in its order; those without a comment of their own have none."""
    lines = text.splitlines()
    found = []
    data = yaml.safe_load(text)

    def default_of(path):
        node = data
        for key in path:
            node = node[key]
        return json.dumps(node, ensure_ascii=False)

    def look(node, path):
        for key_node, value_node in node.value:
            where = [*path, key_node.value]
            comment = comment_above(lines, key_node.start_mark.line, key_node.start_mark.column)
            # Of each listener the block above `listeners` says it all.
            if is_leaf(value_node) or where[-1] in ("listeners", "resources"):
                shown = "see values.yaml" if where[-1] == "listeners" else default_of(where)
                found.append(Value(".".join(where), shown, comment))
            else:
                if comment and where[-1] not in ("global",):
                    found.append(Value(".".join(where), "", comment))
                look(value_node, where)

    look(yaml.compose(text), [])
    return found


def cell(comment):
    """A comment as a cell of a table: one line; lists that are indented keep their lines."""
    text = "<br>".join(
        " ".join(part) for part in _paragraphs(comment))
    return text.replace("|", "\\|")


def _paragraphs(comment):
    parts = [[]]
    for line in comment:
        if re.match(r"  \S", line):
            parts.append([re.sub(r"^(\S+) {2,}", r"`\1`: ", line.strip())])
        else:
            parts[-1].append(line.strip())
    return [part for part in parts if part]


def make_readme(text, chart):
    """README.md of the chart with these values and this Chart.yaml."""
    out = [f"# {chart['name']}", "", chart["description"] + ".", "",
           "[docs/kubernetes.md](../../docs/kubernetes.md) says how to install, run and upgrade it. "
           f"It needs Kubernetes {chart['kubeVersion'].removesuffix('-0')}.", "",
           "This page is made of the comments in [values.yaml](values.yaml) by "
           "`UPDATE=1 python3 -m pytest tests/chart/test_readme.py`.", ""]
    sections = {"general": []}
    for value in values_of(text):
        is_general = "." not in value.path and value.default
        section = "general" if is_general else value.path.partition(".")[0]
        sections.setdefault(section, []).append(value)
    for section, values in sections.items():
        out += ["", f"## {section}", "", "| value | default | what it is |", "|---|---|---|"]
        for value in values:
            default = f"`{value.default}`" if value.default else ""
            out.append(f"| `{value.path}` | {default} | {cell(value.comment)} |")
    return "\n".join(out) + "\n"
