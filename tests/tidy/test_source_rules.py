"""Rules on the text of single files. The house style says why."""

import re

import pytest
from repository import files, numbered_lines, run, text

_CPP = ("*.h", "*.cc")
_BUILD = ("BUILD.bazel", "**/BUILD.bazel")
_COLUMNS = 100

# Headers that cost seconds of every file that includes them.
_HEAVY_INCLUDE = re.compile(r'#include [<"](asio\.hpp|asio/ssl\.hpp|grpcpp/grpcpp\.h|spdlog/.*)[>"]')


def offences(patterns, is_offence):
    """Returns "file:line: text" of every line that `is_offence` is true of."""
    return [
        f"{path}:{number}: {line.strip()}"
        for path in files(*patterns)
        for number, line in numbered_lines(path)
        if is_offence(line)
    ]


def expect_none(found):
    """Fails with one offence a line."""
    if found:
        pytest.fail("\n".join(found), pytrace=False)


def include_guard(path):
    return re.sub(r"[^A-Z0-9]", "_", f"TURNPIKE_{path}_".upper())


def test_lines_have_at_most_100_columns():
    # A line that includes or cites something cannot be broken.
    expect_none(
        offences(
            _CPP, lambda line: len(line) > _COLUMNS and not re.search(r"#include|https?://", line)
        )
    )


def test_headers_have_include_guards_named_after_their_path():
    wrong = []
    for path in files("*.h"):
        guard = include_guard(path)
        content = text(path)
        opened = re.search(rf"^#ifndef {guard}\n#define {guard}\n", content, re.MULTILINE)
        if not opened or not content.rstrip().endswith(f"#endif  // {guard}"):
            wrong.append(f"{path}: {guard}")
    expect_none(wrong)


def test_headers_leave_heavy_includes_to_sources():
    expect_none(offences(("*.h",), _HEAVY_INCLUDE.match))


def test_nothing_is_left_to_be_done_now():
    mark = "TODO(" + "now)"
    expect_none(offences((":!tests/tidy",), lambda line: mark in line))


def test_nothing_is_visible_to_everybody():
    expect_none(offences(_BUILD, lambda line: "//visibility:public" in line))


def test_build_files_use_the_rules_of_the_house():
    # third_party wraps libraries that are not ours to warn about.
    native = re.compile(r"\s*(cc_(library|binary|test)|proto_library|genrule)\(")
    expect_none(offences((*_BUILD, ":!third_party"), native.match))


def test_files_end_with_one_newline_and_lines_without_blanks():
    wrong = []
    for path in files(*_CPP, *_BUILD, "*.proto", "*.py", "*.sh", "*.bzl", "Makefile"):
        content = text(path)
        if content and (not content.endswith("\n") or content.endswith("\n\n")):
            wrong.append(f"{path}: end of file")
        wrong += [f"{path}:{n}" for n, line in numbered_lines(path) if line != line.rstrip()]
    expect_none(wrong)


def shell_scripts():
    scripts = files("*.sh")
    for path in files(":!*.*", ".ci/*"):
        try:
            first = text(path).split("\n", 1)[0]
        except UnicodeDecodeError:
            continue
        if re.match(r"#!.*\b(ba)?sh\b", first):
            scripts.append(path)
    return sorted(set(scripts))


@pytest.mark.parametrize("path", shell_scripts())
def test_shell_scripts_pass_shellcheck(path):
    checked = run("shellcheck", "--external-sources", path)
    assert checked.returncode == 0, checked.stdout
