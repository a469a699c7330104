#!/bin/bash
echo "coverage reports need bazel's remote_coverage_tools, which Debian does not package" >&2
exit 1
