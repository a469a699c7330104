#!/usr/bin/env python3
"""The contract between the services, and with what is on disk, as lines of text: one for each
message, field, enum value and method of all .proto files.

    tests/tidy/contract.py > protos/released.txt      at a release, and at no other time
"""

import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
RELEASED = ROOT / "protos" / "released.txt"


def descriptors(folder=ROOT, files=None):
    """The files of `folder` as protoc reads them, with their comments."""
    from google.protobuf import descriptor_pb2
    if files is None:
        tracked = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard",
                                  "*.proto"], cwd=folder, capture_output=True, text=True, check=True)
        files = tracked.stdout.split()
    with tempfile.NamedTemporaryFile() as out:
        subprocess.run(["protoc", "--proto_path=.", "--include_source_info",
                        f"--descriptor_set_out={out.name}", *files], cwd=folder, check=True)
        result = descriptor_pb2.FileDescriptorSet.FromString(pathlib.Path(out.name).read_bytes())
    return [file for file in result.file if "/testing/" not in file.name]


def _type_of(field):
    label = "repeated " if field.label == field.LABEL_REPEATED else ""
    name = field.type_name.lstrip(".") or field.Type.Name(field.type)[len("TYPE_"):].lower()
    return label + name


def _message_lines(message, name):
    yield f"message {name}"
    oneofs = [oneof.name for oneof in message.oneof_decl]
    for field in message.field:
        group = f" in {oneofs[field.oneof_index]}" if field.HasField("oneof_index") else ""
        yield f"field {name}.{field.name} = {field.number}: {_type_of(field)}{group}"
    for nested in message.nested_type:
        yield from _message_lines(nested, f"{name}.{nested.name}")
    for enum in message.enum_type:
        yield from _enum_lines(enum, f"{name}.{enum.name}")


def _enum_lines(enum, name):
    yield f"enum {name}"
    for value in enum.value:
        yield f"value {name}.{value.name} = {value.number}"


def lines(files):
    """The contract, in no particular order."""
    for file in files:
        for message in file.message_type:
            yield from _message_lines(message, f"{file.package}.{message.name}")
        for enum in file.enum_type:
            yield from _enum_lines(enum, f"{file.package}.{enum.name}")
        for service in file.service:
            name = f"{file.package}.{service.name}"
            yield f"service {name}"
            for method in service.method:
                takes = "stream " * method.client_streaming + method.input_type.lstrip(".")
                gives = "stream " * method.server_streaming + method.output_type.lstrip(".")
                yield f"method {name}/{method.name}: {takes} -> {gives}"


def _reserved(files):
    """What was taken away in the one way that is allowed: (message or enum, number or name)."""
    taken = set()

    def add(thing, name, end):
        for reserved in thing.reserved_range:
            taken.update((name, number) for number in range(reserved.start, reserved.end + end))
        taken.update((name, reserved) for reserved in thing.reserved_name)

    def walk(message, name):
        add(message, name, 0)
        for nested in message.nested_type:
            walk(nested, f"{name}.{nested.name}")
        for enum in message.enum_type:
            add(enum, f"{name}.{enum.name}", 1)

    for file in files:
        for message in file.message_type:
            walk(message, f"{file.package}.{message.name}")
        for enum in file.enum_type:
            add(enum, f"{file.package}.{enum.name}", 1)
    return taken


_MEMBER = re.compile(r"(?:field|value) (?P<of>\S+)\.(?P<name>\w+) = (?P<number>-?\d+)")


def broken(released, files):
    """The lines of the released contract that hold no longer. A field or an enum value may go when
    its number and its name are reserved; anything else stays as it was."""
    present = set(lines(files))
    reserved = _reserved(files)
    for line in released:
        if line in present:
            continue
        member = _MEMBER.match(line)
        if member and {(member["of"], int(member["number"])),
                       (member["of"], member["name"])} <= reserved:
            continue
        yield line


def uncommented(files):
    """What nobody says anything about: services, methods, enums, messages, fields. What a method
    takes and gives is told by the method."""
    for file in files:
        told = {tuple(place.path) for place in file.source_code_info.location
                if place.leading_comments.strip() or place.trailing_comments.strip()}

        def silent(kind, things, prefix, number, name):
            for i, thing in enumerate(things):
                if prefix + (number, i) not in told:
                    yield f"{file.name}: {kind} {name}{thing.name}"

        def walk(message, path, name):
            yield from silent("field", message.field, path, 2, name + ".")
            yield from silent("enum", message.enum_type, path, 4, name + ".")
            for i, nested in enumerate(message.nested_type):
                if nested.options.map_entry:
                    continue
                if path + (3, i) not in told:
                    yield f"{file.name}: message {name}.{nested.name}"
                yield from walk(nested, path + (3, i), f"{name}.{nested.name}")

        methods = {word for service in file.service for method in service.method
                   for word in (method.name + "Request", method.name + "Response")}
        for i, message in enumerate(file.message_type):
            if message.name not in methods and (4, i) not in told:
                yield f"{file.name}: message {message.name}"
            yield from walk(message, (4, i), message.name)
        yield from silent("enum", file.enum_type, (), 5, "")
        yield from silent("service", file.service, (), 6, "")
        for i, service in enumerate(file.service):
            yield from silent("method", service.method, (6, i), 2, service.name + "/")


if __name__ == "__main__":
    print("# What all versions since the last release understand; made by tests/tidy/contract.py.")
    sys.stdout.writelines(line + "\n" for line in sorted(lines(descriptors())))
