# What a developer and CI run. `make help` lists it; what a target needs it sets up itself.

BUF  := tools/run.sh tools/go.mod buf
LINT := tools/run.sh tools/lint/go.mod golangci-lint

# Shown by `stint version`. An archive without history is a "devel" build.
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)

# How many packages are tested at once. Each of them uses several cores by itself.
TEST_JOBS ?= 2
FUZZ_TIME ?= 10s
# How often `make test-long` kills the server, and which tests of the real binary it runs.
KILLS ?= 200
LONG_TESTS := TestMutationsAreFound|TestTheDisk|TestNoSpace|TestACompaction|TestAServerStandsStill|TestLittleAddressSpace|TestKillAtAnyMoment|TestAStartAfterAKill|TestWhatCallsCost

# How long `make test-siege` takes.
SIEGE ?= 30m

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

## build: build bin/stintd, bin/stintd-shim and bin/stint, with the pages where Node is there
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
	@tools/setup-debian.sh programs proxies fuse slurm
	GOWORK=off go -C tools test ./...
	go test -race -p $(TEST_JOBS) -timeout 20m $$(go list ./... | grep -v '/internal/e2e/slurm$$')
	go test -race -timeout 20m ./internal/e2e/slurm # alone: a real cluster loses its nodes where others take the processors
	@$(MAKE) --no-print-directory test-web

## test-long: every fault of the store and of the real binary, and KILLS (200) times kill -9 under load (an hour)
.PHONY: test-long
test-long:
	@tools/setup-debian.sh --require race programs fuse
	STINT_TEST_LONG=1 go test -race -timeout 60m -v -run 'TestEveryFault' ./internal/store/kv
	STINT_TEST_LONG=1 go test -race -timeout 60m ./internal/store
	STINT_TEST_LONG=1 KILLS=$(KILLS) go test -race -timeout 90m -v -run '$(LONG_TESTS)' ./internal/e2e

## test-siege: half an hour of attacks from many addresses beside an honest user, in a network namespace (SIEGE=5m: shorter)
.PHONY: test-siege
test-siege:
	@tools/setup-debian.sh --require race
	STINT_SIEGE=$(SIEGE) go test -timeout 60m -v -run '^TestSiege$$' ./internal/e2e

## test-web: drive the pages in Chromium against a real server
.PHONY: test-web
test-web: build
	@tools/setup-debian.sh chromium
	@tools/web.sh test

## test-web-stress: tests of the pages, N times beside two busy loops; ONLY=pattern chooses them by file or by name
.PHONY: test-web-stress
test-web-stress: build
	@tools/web.sh stress

## fuzz: run every fuzz target for FUZZ_TIME (10s)
.PHONY: fuzz
fuzz:
	tools/fuzz.sh $(FUZZ_TIME)

## bench: measure stintd against the machine's own limits and write bench/RESULTS.md (14 minutes; Slurm for rows 18 and 19)
.PHONY: bench
bench: build
	go run ./bench -write

## bench-quick: the same with a tenth of everything in short rounds, which shows that it runs, and no figures to keep
.PHONY: bench-quick
bench-quick: build
	go run ./bench -quick -without 18,19

## bench-try: some rows and a soak at their shortest, for CI: that they run, never how fast
.PHONY: bench-try
bench-try: build
	go run ./bench -quick -time 500ms -jobs 10000 -row 1,3,5,8,12,13,16 -timeout 110s
	go run ./bench soak -watchers 500 -submitters 16 -rate 100 -jobs 10000 -time 5s -every 2s

## bench-growth: measure stores of 10,000 to 5,000,000 jobs and write bench/GROWTH.md with a plot (7 minutes on a quiet machine, 10 GB of disk)
.PHONY: bench-growth
bench-growth: build
	go run ./bench growth -write
	GOWORK=off go -C bench/plot run . ../growth.json ../growth.svg

## bench-soak: 10,000 watchers, 256 submitters and a million stored jobs for five minutes; writes bench/SOAK.md
.PHONY: bench-soak
bench-soak: build
	go run ./bench soak -write

## bench-peers: do the same work with River, asynq and NATS JetStream and write bench/PEERS.md (4 minutes)
.PHONY: bench-peers
bench-peers: build
	@tools/setup-debian.sh --require peers
	GOWORK=off go -C bench/peers run . -write

## generate: make gen/ and internal/gen/ from proto/
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
	cd tools && GOWORK=off ../$(LINT) run --allow-parallel-runners --config ../.golangci.yml

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
	@mkdir -p .deps
	tools/tidy.sh

.PHONY: check-scripts
check-scripts:
	tools/check-scripts.sh

.PHONY: check-web
check-web:
	@tools/web.sh check

.PHONY: vet
vet:
	go vet ./...
	GOWORK=off go -C tools vet ./...

## clean: remove what was built
.PHONY: clean
clean:
	rm -rf bin .deps web/node_modules
	find internal/webui/dist -mindepth 1 ! -name .gitignore -delete

# Third-party .proto files, made anew whenever what they are printed from changes.
.deps/proto: tools/go.mod tools/go.sum tools/protodeps/main.go
	@rm -rf $@ $@.new
	@mkdir -p $(@D)
	@GOWORK=off go -C tools run ./protodeps -out '$(CURDIR)/$@.new'
	@mv $@.new $@
