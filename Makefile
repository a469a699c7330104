# The commands of a developer's day. `make run` and `make test` work on a bare Debian 12 as root.
# Options of bazel go into user.bazelrc, or into BAZEL: make test BAZEL='bazel --output_base=/tmp/x'
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

export BAZEL ?= bazel
# Bazel puts its output below HOME, which a service or a container may not set.
export HOME ?= /root

.PHONY: help
help: ## This list
	@sed --quiet --regexp-extended 's/^([a-z0-9-]+):.*## (.*)/\1 \2/p' Makefile | \
	  while read -r target text; do printf 'make %-16s %s\n' "$$target" "$$text"; done

.PHONY: packages
packages: ## Install the Debian packages that building needs
	deploy/packages/install.sh build

.PHONY: test-packages
test-packages: ## Install those that tests, benchmarks and `make run` need too
	deploy/packages/install.sh build test

.PHONY: cluster-packages
cluster-packages: ## Install also those that a Kubernetes node needs
	deploy/packages/install.sh build test cluster

.PHONY: build
build: packages ## Build everything
	$(BAZEL) build //...

.PHONY: run
run: test-packages ## Build, start the five services on loopback and play the main job (KEEP=1 leaves them running)
	deploy/local/run.sh

.PHONY: test
test: test-packages ## All tests: checks of the source and its format, unit tests, sanitizers, end to end
	tests/run_all.sh tidy format unit e2e chart helm sanitize-short

.PHONY: unit
unit: packages ## Unit tests only
	tests/run_all.sh unit

.PHONY: sanitize
sanitize: packages ## Every unit test under ASan and UBSan, those tagged "concurrent" under TSan (long)
	tests/run_all.sh sanitize

.PHONY: e2e
e2e: test-packages ## End-to-end tests of the real binaries with real peers
	tests/run_all.sh e2e

.PHONY: chart-test
chart-test: test-packages ## The Helm chart, images and monitoring (builds helm once)
	tests/run_all.sh helm chart

.PHONY: images
images: build ## Container images of the services and turnpikectl as OCI archives, into build/images
	deploy/images/image.py spool-store auth-service gateway-dequeue smtp-frontend outbound-delivery turnpikectl

.PHONY: apiserver-test
apiserver-test: cluster-packages ## Every object of the chart, taken by a real API server (builds that once)
	tests/cluster/build_tools.sh kube-apiserver kubectl helm crds.yaml
	/usr/bin/python3 -B -m pytest -p no:cacheprovider --quiet tests/cluster/apiserver

.PHONY: cluster-test
cluster-test: images cluster-packages ## The chart under load on a real Kubernetes node, started here (needs root)
	tests/cluster/run.sh

.PHONY: bench
bench: test-packages ## Compare with Postfix and measure the rest on this machine; writes build/bench*.json (long)
	tests/bench/run

.PHONY: fuzz
fuzz: test-packages ## Fuzz every parser for a while (SECONDS_EACH=60)
	tests/fuzz/run.sh

.PHONY: tidy
tidy: test-packages ## House rules: layering, include guards, line length, format, shell scripts
	tests/run_all.sh tidy format

.PHONY: format
format: test-packages ## Rewrite C++ and proto files by .clang-format
	git ls-files -z '*.h' '*.cc' '*.proto' | xargs --null --no-run-if-empty clang-format-14 -i

.PHONY: clean
clean: ## Remove what builds and runs left behind
	$(BAZEL) clean
	rm --recursive --force build
