# What a developer and CI run. `make help` lists it; what a target needs it sets up itself.

BUF  := go tool -modfile=tools/go.mod buf
LINT := go tool -modfile=tools/lint/go.mod golangci-lint

# Shown by `stint version`. An archive without history is a "devel" build.
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)

# How many packages are tested at once. Each of them uses several cores by itself.
TEST_JOBS ?= 2
FUZZ_TIME ?= 10s

.DEFAULT_GOAL := help

## help: show this list
.PHONY: help
help:
	@echo 'Targets:'
	@sed -n 's/^## \([a-z-]*\): /\1|/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "  %-12s %s\n", $$1, $$2}'

## demo: build, start a server and run real analyses on a real genome (STINT_DEMO_EXIT=1: stop at the end)
.PHONY: demo
demo: build
	@tools/setup-debian.sh --require programs
	tools/demo.sh

## demo-slurm: the same on a throw-away Slurm cluster (root on Debian)
.PHONY: demo-slurm
demo-slurm: build
	@tools/setup-debian.sh --require programs slurm
	tools/demo-slurm.sh

## build: build bin/stintd and bin/stint, with the pages where Node is there
.PHONY: build
build: web
	CGO_ENABLED=0 go build -buildvcs=false -trimpath -ldflags '-X main.version=$(VERSION)' -o bin/ ./cmd/...

## web: build the pages into internal/webui/dist, where `make build` takes them from
.PHONY: web
web: internal/webui/dist/index.html

internal/webui/dist/index.html: $(shell find web -path web/node_modules -prune -o -path web/test -prune -o -type f -print)
	@tools/web.sh build

## test: set up what is missing and run all tests under the race detector
.PHONY: test
test:
	@tools/setup-debian.sh --require race
	@tools/setup-debian.sh programs slurm
	go -C tools test ./...
	go test -race -p $(TEST_JOBS) -timeout 20m ./...
	@$(MAKE) --no-print-directory test-web

## test-web: drive the pages in Chromium against a real server
.PHONY: test-web
test-web: build
	@tools/setup-debian.sh chromium
	@tools/web.sh test

## fuzz: run every fuzz target for FUZZ_TIME (10s)
.PHONY: fuzz
fuzz:
	tools/fuzz.sh $(FUZZ_TIME)

## bench: measure stintd against the machine's own limits and write bench/RESULTS.md (ten minutes)
.PHONY: bench
bench: build
	go run ./bench -write

## bench-quick: the same with a tenth of the jobs in short rounds, which shows that it runs, and no figures to keep
.PHONY: bench-quick
bench-quick: build
	go run ./bench -quick

## generate: make gen/ from proto/
.PHONY: generate
generate: .deps/proto
	tools/generate.sh

## fmt: format Go and proto files
.PHONY: fmt
fmt: .deps/proto
	$(LINT) fmt
	$(BUF) format -w proto
	@tools/web.sh fmt

## lint: run the linters alone, import rules included
.PHONY: lint
lint:
	$(LINT) run --allow-parallel-runners
	cd tools && $(subst tools/,,$(LINT)) run --allow-parallel-runners --config ../.golangci.yml

## check: all that can be said without running the code; changes nothing
.PHONY: check
check: check-format check-proto check-generated check-modules check-scripts check-web vet lint

.PHONY: check-format
check-format: .deps/proto
	$(LINT) fmt --diff
	$(BUF) format --diff --exit-code proto

.PHONY: check-proto
check-proto: .deps/proto
	$(BUF) lint proto
	tools/breaking.sh

.PHONY: check-generated
check-generated: .deps/proto
	tools/generate.sh --check

.PHONY: check-modules
check-modules:
	go mod tidy -diff
	go -C tools mod tidy -diff

.PHONY: check-scripts
check-scripts:
	tools/check-scripts.sh

.PHONY: check-web
check-web:
	@tools/web.sh check

.PHONY: vet
vet:
	go vet ./...
	go -C tools vet ./...

## clean: remove what was built
.PHONY: clean
clean:
	rm -rf bin .deps web/node_modules
	find internal/webui/dist -mindepth 1 ! -name .gitignore -delete

# Third-party .proto files, made anew whenever what they are printed from changes.
.deps/proto: tools/go.mod tools/go.sum tools/protodeps/main.go
	@rm -rf $@ $@.new
	@mkdir -p $(@D)
	@go -C tools run ./protodeps -out '$(CURDIR)/$@.new'
	@mv $@.new $@
