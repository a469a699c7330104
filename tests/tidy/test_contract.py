"""PL-42: the protobuf contracts are documented field by field, and no change breaks a released one."""

import pytest

import contract

BEFORE = """
syntax = "proto3";
package turnpike.test.v1;
enum Colour {
  COLOUR_UNSPECIFIED = 0;
  COLOUR_RED = 1;
}
message Thing {
  string name = 1;
  repeated int32 sizes = 2;
  oneof kind { bool big = 3; Colour colour = 4; }
  message Part { int64 weight = 1; }
}
service ThingService {
  rpc GetThing(Thing) returns (stream Thing);
}
"""


def _released():
    return [line for line in contract.RELEASED.read_text().splitlines() if not line.startswith("#")]


def _files(tmp_path, text):
    (tmp_path / "thing.proto").write_text(text)
    return contract.descriptors(tmp_path, ["thing.proto"])


def test_pl_42_no_change_breaks_the_released_contract():
    assert list(contract.broken(_released(), contract.descriptors())) == []


def test_pl_42_everything_in_the_contracts_is_documented():
    files = [file for file in contract.descriptors() if file.package.startswith("turnpike.")]
    silent = [line for file in files if file.name.startswith("protos/")
              for line in contract.uncommented([file])]
    assert silent == []


def test_pl_42_packages_have_an_area_and_a_version():
    for file in contract.descriptors():
        if file.name.startswith("protos/"):
            area, version = file.name.split("/")[2:4]
            assert file.package == f"turnpike.{area}.{version}", file.name


@pytest.mark.parametrize("old, new", [
    ("string name = 1;", ""),  # gone
    ("string name = 1;", "string name = 7;"),  # renumbered
    ("string name = 1;", "string title = 1;"),  # renamed: keys of YAML and JSON
    ("string name = 1;", "bytes name = 1;"),  # of another type
    ("string name = 1;", "repeated string name = 1;"),  # of another label
    ("string name = 1;", "reserved 1;"),  # the name could come back
    ("Colour colour = 4; }", "} Colour colour = 4;"),  # out of its oneof
    ("COLOUR_RED = 1;", "COLOUR_RED = 2;"),
    ("COLOUR_RED = 1;", ""),
    ("int64 weight = 1;", "int32 weight = 1;"),  # within a nested message
    ("rpc GetThing(Thing) returns (stream Thing);", ""),
    ("returns (stream Thing)", "returns (Thing)"),
    ("package turnpike.test.v1", "package turnpike.test.v2"),
])
def test_pl_42_a_breaking_change_is_caught(tmp_path, old, new):
    released = list(contract.lines(_files(tmp_path, BEFORE)))
    assert old in BEFORE
    assert list(contract.broken(released, _files(tmp_path, BEFORE.replace(old, new)))) != []


@pytest.mark.parametrize("old, new", [
    ("string name = 1;", "string name = 1; string more = 9;"),
    ("string name = 1;", 'reserved 1; reserved "name";'),
    ("COLOUR_RED = 1;", 'reserved 1; reserved "COLOUR_RED";'),
    ("service ThingService {", "service ThingService { rpc PutThing(Thing) returns (Thing);"),
])
def test_pl_42_what_old_peers_need_not_know_may_change(tmp_path, old, new):
    released = list(contract.lines(_files(tmp_path, BEFORE)))
    assert list(contract.broken(released, _files(tmp_path, BEFORE.replace(old, new)))) == []


def test_pl_42_silence_is_found(tmp_path):
    files = _files(tmp_path, BEFORE)
    assert "thing.proto: field Thing.name" in list(contract.uncommented(files))
    assert "thing.proto: method ThingService/GetThing" in list(contract.uncommented(files))
    told = _files(tmp_path, BEFORE.replace("string name = 1;", "string name = 1;  // its name"))
    assert "thing.proto: field Thing.name" not in list(contract.uncommented(told))
