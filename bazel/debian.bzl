"""Debian's libraries as cc_library targets, found by pkg-config.

One repository, `@debian`, holds a target per library. Use them through `//third_party`.
"""

# Target name -> pkg-config modules. An empty list is a header-only library that has no module.
_LIBRARIES = {
    "benchmark": ["benchmark"],
    "cares": ["libcares"],
    "cli11": ["CLI11"],
    "curl": ["libcurl"],
    "fmt": ["fmt"],
    "gmime": ["gmime-3.0"],
    "grpc++": ["grpc++"],
    "gsasl": ["libgsasl"],
    "gtest": ["gmock", "gtest"],
    "gtest_main": ["gmock_main", "gmock", "gtest"],
    "ldap": ["ldap", "lber"],
    "libidn2": ["libidn2"],
    "libpq": ["libpq"],
    "nlohmann_json": ["nlohmann_json"],
    "openssl": ["openssl"],
    "prometheus-cpp": ["prometheus-cpp-pull", "prometheus-cpp-core"],
    "protobuf": ["protobuf"],
    "rocksdb": ["rocksdb"],
    "sodium": ["libsodium"],
    "spdlog": ["spdlog"],
    "yaml-cpp": ["yaml-cpp"],
    "zstd": ["libzstd"],
}

# Link flags that pkg-config does not know of.
_EXTRA_LINKOPTS = {
    # Found by name only: gRPC's reflection plugin has no module of its own.
    "grpc++": ["-lgrpc++_reflection"],
}

# Directories the compiler searches anyway; naming them again breaks #include_next.
_DEFAULT_INCLUDES = ["/usr/include", "/usr/include/x86_64-linux-gnu", "/usr/include/aarch64-linux-gnu"]

def _pkg_config(ctx, option, modules):
    result = ctx.execute(["/usr/bin/pkg-config", option] + modules)
    if result.return_code != 0:
        fail("pkg-config {} {}: {}\nInstall what deploy/packages/debian-build.txt lists.".format(
            option,
            " ".join(modules),
            result.stderr,
        ))
    return [flag for flag in result.stdout.replace("\n", " ").split(" ") if flag]

def _unique(items):
    seen = {}
    for item in items:
        seen[item] = True
    return seen.keys()

def _symlink_includes(ctx, flags):
    """Links the include directories of `-I` flags into the repository; returns their names.

    Bazel accepts no include path outside of a repository, and checks each header a compile read
    against the declared ones.
    """
    includes = []
    for flag in flags:
        path = flag[2:]
        if not flag.startswith("-I") or path in _DEFAULT_INCLUDES:
            continue
        name = "include" + path
        if not ctx.path(name).exists:
            ctx.symlink(path, name)
        includes.append(name)
    return includes

def _library(ctx, name, modules):
    cflags = _pkg_config(ctx, "--cflags", modules)
    libs = _pkg_config(ctx, "--libs", modules) + _EXTRA_LINKOPTS.get(name, [])
    includes = _symlink_includes(ctx, cflags)
    return """
cc_library(
    name = {name},
    hdrs = glob({hdrs}),
    defines = {defines},
    includes = {includes},
    linkopts = {linkopts},
)
""".format(
        name = repr(name),
        hdrs = repr([include + "/**" for include in includes]),
        defines = repr([flag[2:] for flag in cflags if flag.startswith("-D") and flag != "-DNOMINMAX"]),
        includes = repr(includes),
        # Only what a binary really uses ends up in its list of needed libraries.
        linkopts = repr(["-Wl,--as-needed"] + _unique(libs)) if libs else "[]",
    )

def _debian_libraries_impl(ctx):
    content = "package(default_visibility = [\"@//:__subpackages__\"])\n"
    for name, modules in _LIBRARIES.items():
        content += _library(ctx, name, modules)

    # Abseil has a module per library and no umbrella; shared libraries make one cheap.
    listed = ctx.execute(["/usr/bin/pkg-config", "--list-package-names"])
    absl = [module for module in listed.stdout.split("\n") if module.startswith("absl_")]
    if not absl:
        fail("pkg-config knows no absl_* module. Install what deploy/packages/debian-build.txt lists.")
    content += _library(ctx, "absl", absl)
    ctx.file("BUILD.bazel", content)

debian_libraries = repository_rule(
    implementation = _debian_libraries_impl,
    doc = "Declares a cc_library for each Debian library that Turnpike uses.",
    configure = True,
    local = True,
)
