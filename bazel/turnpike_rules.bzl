"""The rules that Turnpike's BUILD files use instead of the native ones.

tp_cc_library, tp_cc_binary, tp_cc_test: C++20 with our warnings, which are errors.
tp_cc_fuzzer: a binary for libFuzzer.
tp_proto_library: C++ messages, and services if wanted, from .proto files.
tp_system_library: a Debian library under its `//third_party` name.
"""

_COPTS = [
    "-Wall",
    "-Wextra",
    "-Werror",
    # Designated initialisers that leave the rest to its defaults are the house style for options.
    "-Wno-missing-field-initializers",
    # g++ 12 reports these inside the standard library's and Abseil's inlined code.
    "-Wno-array-bounds",
    "-Wno-dangling-pointer",
    "-Wno-maybe-uninitialized",
    "-Wno-restrict",
    "-Wno-stringop-overflow",
    "-Wno-stringop-overread",
]

def tp_cc_library(name, copts = [], **kwargs):
    """A cc_library with the house's warnings."""
    native.cc_library(
        name = name,
        copts = _COPTS + copts,
        **kwargs
    )

def tp_cc_binary(name, copts = [], **kwargs):
    """A cc_binary with the house's warnings and jemalloc, unless a sanitizer brings its own."""
    native.cc_binary(
        name = name,
        copts = _COPTS + copts,
        malloc = select({
            "//bazel:sanitizer": "@bazel_tools//tools/cpp:malloc",
            "//conditions:default": "//third_party:jemalloc",
        }),
        **kwargs
    )

def tp_cc_test(name, copts = [], deps = [], gtest_main = True, size = "small", **kwargs):
    """A cc_test with the house's warnings.

    Args:
      name: The target's name.
      copts: Further compiler options.
      deps: Libraries; GoogleTest, GoogleMock and their main() are added.
      gtest_main: False if the test has a main() of its own.
      size: As in cc_test; small (60 seconds) unless said otherwise.
      **kwargs: As in cc_test. Tag a test "concurrent" to have it run under ThreadSanitizer too.
    """
    native.cc_test(
        name = name,
        copts = _COPTS + copts,
        size = size,
        deps = deps + ["//third_party:gtest_main" if gtest_main else "//third_party:gtest"],
        **kwargs
    )

def tp_cc_fuzzer(name, srcs, deps):
    """A libFuzzer binary; `srcs` defines LLVMFuzzerTestOneInput. Builds with --config=fuzz only."""
    native.cc_binary(
        name = name,
        testonly = True,
        srcs = srcs,
        copts = _COPTS,
        linkopts = ["-fsanitize=fuzzer"],
        tags = ["manual"],
        deps = deps,
    )

def _sources_label(label):
    """The label of the .proto sources that belong to a tp_proto_library's label."""
    if ":" not in label:
        label += ":" + label.split("/")[-1]
    return label + "_proto_srcs"

def tp_proto_library(name, srcs, deps = [], grpc = False, visibility = None, testonly = False):
    """A cc_library of the C++ code generated from .proto files.

    Files import each other, and code includes the result, by the path from the top of the
    repository: `import "protos/turnpike/mail/v1/envelope.proto";` and
    `#include "protos/turnpike/mail/v1/envelope.pb.h"`.

    Args:
      name: The target's name.
      srcs: .proto files of this package.
      deps: Other tp_proto_library targets that the files import. google/protobuf is always there.
      grpc: Whether to generate service stubs (`.grpc.pb.h`) too.
      visibility: As everywhere.
      testonly: As everywhere.
    """
    native.filegroup(
        name = name + "_proto_srcs",
        srcs = srcs + [_sources_label(dep) for dep in deps],
        testonly = testonly,
        visibility = visibility,
    )
    bases = [src[:-len(".proto")] for src in srcs]
    headers = [base + ".pb.h" for base in bases]
    sources = [base + ".pb.cc" for base in bases]
    options = "--cpp_out=$(GENDIR)"
    if grpc:
        headers += [base + ".grpc.pb.h" for base in bases]
        sources += [base + ".grpc.pb.cc" for base in bases]
        options += " --plugin=protoc-gen-grpc=/usr/bin/grpc_cpp_plugin --grpc_out=$(GENDIR)"
    native.genrule(
        name = name + "_generate",
        srcs = [name + "_proto_srcs"],
        outs = headers + sources,
        cmd = "/usr/bin/protoc --proto_path=. --proto_path=/usr/include {} {}".format(
            options,
            " ".join(["$$(printf '%s\\n' $(locations :{}_proto_srcs) | grep '^{}/{}$$')".format(
                name,
                native.package_name(),
                src,
            ) for src in srcs]),
        ),
        message = "Generating C++ from protocol buffers",
        testonly = testonly,
        visibility = ["//visibility:private"],
    )
    native.cc_library(
        name = name,
        srcs = sources,
        hdrs = headers,
        # Generated code is not ours to warn about.
        copts = ["-w"],
        deps = deps + ["//third_party:protobuf"] + (["//third_party:grpc++"] if grpc else []),
        testonly = testonly,
        visibility = visibility,
    )

def tp_system_library(name, deps = [], **kwargs):
    """`@debian//:<name>` with the Debian libraries that its headers need."""
    native.cc_library(
        name = name,
        deps = deps + ["@debian//:" + name],
        **kwargs
    )
