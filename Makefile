# Two commands do everything on a fresh machine: `make demo` and `make test`.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory
UV := hack/uv
RUN := $(UV) run --frozen
CLUSTER := python3 -m hack.cluster
IMAGES := operator api
SANDBOX_PYTHON := docker.io/library/python:3.13-slim
SANDBOX_NODE := docker.io/library/node:24-slim
STATE := .cluster/images
# The tests of installing empty their cluster, so it is not the one that everything else uses.
INSTALL_CLUSTER := $(or $(CLUSTER_NAME),theazo)-install
NPM := npm --prefix sdk/typescript
PACKAGES := sdk/typescript/node_modules/.package-lock.json
PYTHON_SOURCES := operator sdk/python/src tests hack charts

.DEFAULT_GOAL := help
.PHONY: help demo test lint lint-typescript format unit unit-typescript interop chart images sbom image cluster cluster-down installed cluster-test gitops install-test bench node

help:  ## list these targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

demo: installed  ## the main job, told as a story on a real cluster
	@eval "$$($(CLUSTER) env)" && $(RUN) python -m hack.demo

test: lint lint-typescript unit unit-typescript interop chart image cluster-test gitops install-test  ## everything that decides whether a change lands

lint:  ## formatting, rules, types, layers
	$(UV) sync --frozen --quiet
	$(RUN) ruff format --check $(PYTHON_SOURCES)
	$(RUN) ruff check $(PYTHON_SOURCES)
	$(RUN) mypy $(PYTHON_SOURCES)
	$(RUN) lint-imports --no-logo

node:
	@command -v npm > /dev/null || { echo "npm is missing. Install Node.js 20 or newer with npm (https://nodejs.org) and put it on PATH." >&2; exit 1; }

$(PACKAGES): sdk/typescript/package-lock.json | node
	@$(NPM) ci --ignore-scripts --no-audit --no-fund && touch $@

lint-typescript: $(PACKAGES)  ## the TypeScript SDK: format, rules, types
	@$(NPM) run --silent lint

format:  ## mend what can be mended by itself
	$(RUN) ruff format $(PYTHON_SOURCES)
	$(RUN) ruff check --fix $(PYTHON_SOURCES)

unit:  ## vectors, properties, tables: no cluster
	$(RUN) coverage run -m pytest tests/unit
	$(RUN) coverage report --skip-covered --fail-under 85

unit-typescript: $(PACKAGES)  ## the TypeScript SDK's own tests
	@$(NPM) test

interop: $(PACKAGES)  ## envelopes to and from npm's @hpke, and the TypeScript SDK against Python
	$(RUN) pytest tests/interop

chart:  ## the Helm chart: schema, snapshots, kubeconform, kube-score, and against manifests/
	$(RUN) pytest tests/chart

cluster:  ## bring the kind cluster up, or reuse it
	@$(CLUSTER) up

cluster-down:  ## remove the kind cluster, and the one of install-test
	@$(CLUSTER) down
	@CLUSTER_NAME=$(INSTALL_CLUSTER) $(CLUSTER) down

images:  ## the operator's and the API's image, an archive each
	@for image in $(IMAGES); do $(CLUSTER) build-image $$image theazo-$$image:dev $(STATE)/$$image.tar; done

sbom: images  ## beside each image what is in it, as CycloneDX
	@$(UV) sync --frozen --quiet
	@for image in $(IMAGES); do $(RUN) python -m hack.sbom $(STATE)/$$image.tar $(STATE)/$$image.cdx.json; done

image: sbom  ## the images: what is in them, what must not be, and the same without any right
	$(RUN) pytest tests/image

installed: cluster images  ## the project's images, built and in the cluster
	@$(UV) sync --frozen --quiet
	@$(CLUSTER) sandbox-image python $(STATE)/sandbox-python.tar
	@$(CLUSTER) load $(SANDBOX_PYTHON) $(STATE)/sandbox-python.tar
	@$(CLUSTER) sandbox-image node $(STATE)/sandbox-node.tar
	@$(CLUSTER) load $(SANDBOX_NODE) $(STATE)/sandbox-node.tar
	@for image in $(IMAGES); do $(CLUSTER) load theazo-$$image:dev $(STATE)/$$image.tar; done

cluster-test: installed  ## the operator on the real API server, with real pods; the demo; a small bench
	@eval "$$($(CLUSTER) env)" && $(RUN) pytest tests/cluster

gitops: installed  ## Argo CD and Flux themselves, with a Git repository that holds examples/gitops
	@python3 -m hack.gitops build
	@eval "$$($(CLUSTER) env)" && $(RUN) pytest tests/gitops

install-test:  ## the chart installed, upgraded, restored and removed, on a cluster of its own
	@$(MAKE) CLUSTER_NAME=$(INSTALL_CLUSTER) installed
	@export CLUSTER_NAME=$(INSTALL_CLUSTER) && eval "$$($(CLUSTER) env)" && $(RUN) pytest tests/install
	@CLUSTER_NAME=$(INSTALL_CLUSTER) $(CLUSTER) down

bench: cluster  ## agent to Pod, and the REST API, beside a bare client on the same cluster
	@eval "$$($(CLUSTER) env)" && $(RUN) python -m hack.bench
