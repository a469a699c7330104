"""What the documentation names exists: files, headings, commands, configuration keys, metrics.

docs/turnpikectl.md and docs/configuration.md are compared with the programs elsewhere; here they
stand for the commands and the keys."""

import os
import re

import pytest
import yaml
from repository import ROOT, files, numbered_lines, text

_MANUAL = "docs/turnpikectl.md"
_REFERENCE = "docs/configuration.md"
# Their YAML and their dotted names are Helm values.
_OF_THE_CHART = ("docs/kubernetes.md", "charts/")


def pages():
    return files("*.md")


def pages_on_the_configuration():
    return [page for page in pages() if not page.startswith(_OF_THE_CHART)]


def expect_none(found):
    """Fails with one offence a line."""
    if found:
        pytest.fail("\n".join(found), pytrace=False)


def anchors(page):
    """The names by which GitHub links to a page's headings."""
    headings = re.findall(r"^#+ (.*)$", text(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_links_lead_somewhere():
    wrong = []
    for page in pages():
        for path, anchor in re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)", text(page)):
            if path.startswith("http"):
                continue
            target = os.path.normpath(os.path.join(os.path.dirname(page), path)) if path else page
            if not (ROOT / target).exists():
                wrong.append(f"{page}: there is no {target}")
            elif anchor and anchor not in anchors(target):
                wrong.append(f"{page}: {target} has no heading for #{anchor}")
    expect_none(wrong)


def test_files_that_are_named_exist():
    folders = {path.split("/")[0] for path in files() if "/" in path} - {"build"}
    wrong = []
    for page in pages():
        for path in re.findall(r"`((?:[\w.-]+/)+[\w.-]*)`", text(page)):
            near = ROOT / os.path.dirname(page) / path
            if path.split("/")[0] in folders and not ((ROOT / path).exists() or near.exists()):
                wrong.append(f"{page}: there is no {path}")
    expect_none(wrong)


def commands():
    """The flags of each command, by its words; short forms (`queues`) too."""
    manual = text(_MANUAL)
    found = {
        name: set(re.findall(r"--[a-z0-9-]+", usage))
        for name, usage in re.findall(r"^### ([^\n]+)\n\n```\n(.*?)```", manual, re.M | re.S)
    }
    for name, short in re.findall(r"^  ([a-z]+ list) \(([a-z]+)\)", manual, re.MULTILINE):
        found[short] = found[name]
    assert len(found) > 40, "the manual has another shape"
    return found


def flags_of_all_commands():
    listed = text(_MANUAL).split("Flags of all commands:")[1].split("```")[0]
    return {"--help", *re.findall(r"^  (?:-\w, )?(--[a-z-]+)", listed, re.MULTILINE)}


def command_lines(page):
    """Yields (line number, words behind `turnpikectl`): in blocks, and in quotes in the text."""
    in_block = False
    for number, line in numbered_lines(page):
        if line.startswith("```"):
            in_block = not in_block
        places = [line] if in_block else re.findall(r"`([^`]+)`", line)
        for place in places:
            # Quoted text about the program is no command, nor is a line that starts elsewhere.
            for found in re.findall(r"(?:^|/|\| )turnpikectl ([a-z][^|#;]*)", place):
                yield number, found.split()


def test_commands_of_turnpikectl_and_their_flags_exist():
    known, common = commands(), flags_of_all_commands()
    groups = {name.split()[0] for name in known}
    wrong = []
    for page in pages():
        for number, words in command_lines(page):
            name = next((n for k in (3, 2, 1) if (n := " ".join(words[:k])) in known), None)
            if name is None:
                # A group of commands may be named alone.
                if not (len(words) == 1 and words[0] in groups):
                    wrong.append(f"{page}:{number}: turnpikectl {' '.join(words)}: no such command")
                continue
            flags = {word.split("=")[0] for word in words if word.startswith("--")}
            wrong += [
                f"{page}:{number}: turnpikectl {name} has no {flag}"
                for flag in sorted(flags - known[name] - common)
            ]
    expect_none(wrong)


class Reference:
    """The keys of docs/configuration.md."""

    def __init__(self):
        self._sections = {}  # by path: what each key holds
        self._same = {}
        section = None
        for _, line in numbered_lines(_REFERENCE):
            if heading := re.match(r"## (.*)$", line):
                section = "" if heading[1] == "Top level" else heading[1].strip("`")
                self._sections[section] = {}
            elif line.startswith("The same keys are found in "):
                for other in re.findall(r"`([^`]+)`", line):
                    self._same[other] = section
            elif key := re.match(r"\| `(\w+)` \| ([^|]*) \|", line):
                self._sections[section][key[1]] = key[2]
        assert len(self._sections) > 30, "the reference has another shape"

    def top_level(self):
        return set(self._sections[""])

    def _keys_below(self, section):
        return self._sections.get(self._same.get(section, section))

    def paths(self, section=""):
        """Yields every key's path; lists of sections are marked: `gateways[].domain`."""
        for key, holds in (self._keys_below(section) or {}).items():
            path = f"{section}.{key}".lstrip(".")
            yield path
            if holds.startswith("section"):
                yield from self.paths(path)
            elif holds.startswith("list of sections"):
                yield from self.paths(path + "[]")

    def unknown(self, document, section=""):
        """Yields the paths of a YAML document's keys that there are not."""
        known = self._keys_below(section)
        for key, value in document.items():
            path = f"{section}.{key}".lstrip(".")
            if known is None or key not in known:
                yield path
            elif isinstance(value, dict):
                yield from self.unknown(value, path)
            elif isinstance(value, list):
                for element in value:
                    if isinstance(element, dict):
                        yield from self.unknown(element, path + "[]")


def test_configuration_keys_in_the_text_exist():
    reference = Reference()
    known = {path.replace("[]", "") for path in reference.paths()}
    wrong = []
    for page in pages_on_the_configuration():
        for number, line in numbered_lines(page):
            for name in re.findall(r"`([a-z_]+(?:\[\])?(?:\.[a-z_]+(?:\[\])?)+)`", line):
                path = name.replace("[]", "")
                is_file = path.rsplit(".", 1)[1] in ("cc", "h", "md", "py", "sh", "proto", "yaml")
                if path.split(".")[0] in reference.top_level() and not is_file:
                    if path not in known:
                        wrong.append(f"{page}:{number}: there is no key {name}")
    expect_none(wrong)


def test_configurations_have_known_keys():
    reference = Reference()
    documents = [("deploy/local/turnpike.yaml", text("deploy/local/turnpike.yaml"))]
    for page in pages_on_the_configuration():
        for block in re.findall(r"^```yaml[^\n]*\n(.*?)^```", text(page), re.M | re.S):
            documents.append((page, block))
    wrong = [
        f"{page}: there is no key {path}"
        for page, document in documents
        for path in reference.unknown(yaml.safe_load(document))
    ]
    expect_none(wrong)


def metrics_of_the_services():
    sources = [path for path in files("services/*.h", "services/*.cc") if "_test." not in path]
    names = {name for path in sources for name in re.findall(r'"(turnpike_\w+)"', text(path))}
    assert len(names) > 100, "metrics are named in another way"
    return names - {"turnpike_service_names"}  # a plugin's name


def test_metrics_exist():
    known = metrics_of_the_services()
    wrong = []
    for page in (*pages(), *files("deploy/monitoring/*", "charts/turnpike/files/*")):
        for number, line in numbered_lines(page):
            for name in re.findall(r"\b(turnpike_(?:[a-z]+_)+[a-z0-9]+)\b(?!\.bzl)", line):
                if name not in known and re.sub("_(bucket|count|sum)$", "", name) not in known:
                    wrong.append(f"{page}:{number}: there is no metric {name}")
    expect_none(wrong)


def test_metrics_are_described():
    described = {name for page in pages() for name in re.findall(r"turnpike_\w+", text(page))}
    expect_none(sorted(metrics_of_the_services() - described))


def test_targets_of_make_exist():
    targets = set(re.findall(r"^([a-z0-9-]+):", text("Makefile"), re.MULTILINE))
    wrong = []
    for page in pages():
        for target in re.findall(r"(?:`|^)make ([a-z0-9-]+)", text(page), re.MULTILINE):
            if target not in targets:
                wrong.append(f"{page}: there is no target {target}")
    expect_none(wrong)
