# Two commands are enough to begin with: `make demo` and `make test`.
# `make help` lists the rest. Go and make are all that is needed; what a machine
# lacks beyond that is named in one SKIP line (under CI=true it is a failure).

GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)

PKG       ?= ./...
TESTFLAGS ?=
FUZZTIME  ?= 30s
TIMEOUT   ?= 30m
BENCH     ?= .

# Tools run at one pinned version each and leave go.mod alone.
GOLANGCI_LINT := $(GO) run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
DEADCODE      := $(GO) run golang.org/x/tools/cmd/deadcode@v0.52.0
BENCHSTAT     := $(GO) run golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da
PIP_TOOLS     := pip-tools==7.6.2


# test/charts/tools is not among them: it has no code, and helm's tests keep
# `go mod tidy` from it.
MODULES := . image test/charts/alerts test/faults test/clients/go test/clients/go/dialects test/bench/vendor

CLIENTS := .cache/clients

.DEFAULT_GOAL := build

.PHONY: build
build: ## build bin/sealcar, static and reproducible
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags '-s -w -X sealcar/command.version=$(VERSION)' -o bin/sealcar .

.PHONY: demo
demo: build ## both ends on loopback and two chats, shown side by side
	@./bin/sealcar demo

# The other modules, and what only they and their tests need, belong to the whole.
ifeq ($(PKG),./...)
test: clients chart-tools test-alerts test-image test-faults test-socket
endif

.PHONY: test
test: ## every test, shuffled, with the race detector (TESTFLAGS), or those of PKG
	@race=$$(GO='$(GO)' test/race.sh) && set -x && $(GO) test $$race -shuffle=on -timeout=$(TIMEOUT) $(TESTFLAGS) $(PKG)

.PHONY: test-faults
test-faults: ## the tests of a bad network
	@race=$$(GO='$(GO)' test/race.sh) && set -x && $(GO) -C test/faults test $$race -shuffle=on $(TESTFLAGS) ./...

.PHONY: test-socket
test-socket: ## the system calls whose place others take under the race detector, and what is counted without it
	$(GO) test ./socket ./upstream ./downstream

.PHONY: check
check: fmt-check lint deadcode tidy ## what must hold before a commit, tests apart

.PHONY: fmt
fmt: ## format the tree
	$(GOLANGCI_LINT) fmt

.PHONY: fmt-check
fmt-check: ## fail if `make fmt` would change something
	$(GOLANGCI_LINT) fmt --diff

.PHONY: lint
lint: ## the linters of .golangci.yaml
	@for module in $(MODULES); do \
		echo "golangci-lint in $$module" && (cd $$module && $(GOLANGCI_LINT) run --allow-parallel-runners ./...) || exit 1; \
	done

.PHONY: deadcode
deadcode: ## fail on functions that the binary cannot reach, or in tests no test
	@for scope in '. .' '. -test ./...' 'image .' 'image -test ./...' 'test/faults -test ./...'; do \
		echo "deadcode in $$scope"; dead=$$(cd $${scope%% *} && $(DEADCODE) $${scope#* }) || exit 1; \
		if [ -n "$$dead" ]; then echo "$$dead"; exit 1; fi; \
	done

.PHONY: tidy
tidy: ## fail if a go.mod is not tidy
	@for module in $(MODULES); do $(GO) -C $$module mod tidy -diff || exit 1; done

.PHONY: docs
docs: ## fill in the names of the tests in docs/cases.md
	$(GO) test ./test -run='^TestEveryCaseIsShown$$' -update

# Minimising what was found interesting may take longer than finding it: it gets
# ten tries.
.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME
	@$(MAKE) -s fuzz-list | while read -r dir name; do \
		echo "$$dir $$name" && $(GO) test -run='^$$' -fuzz="^$$name$$" -fuzztime=$(FUZZTIME) -fuzzminimizetime=10x -parallel=2 "$$dir" || exit 1; \
	done

.PHONY: fuzz-long
fuzz-long: ## run every fuzz target for ten minutes
	@$(MAKE) fuzz FUZZTIME=10m

.PHONY: fuzz-list
fuzz-list: ## list the fuzz targets: folder and name
	@grep -rE --include='*_test.go' --exclude-dir=.cache '^func Fuzz[A-Za-z0-9_]*\(' . \
		| sed -E 's|^(.*)/[^/]+:func (Fuzz[A-Za-z0-9_]*).*|\1 \2|' | sort

.PHONY: test-fips
test-fips: ## the tests of the protocol on Go's FIPS 140-3 module
	GODEBUG=fips140=on $(GO) test ./crypto/...

.PHONY: mutate
mutate: ## take each guard out and see that its tests fail (test/mutations; many minutes)
	$(GO) test ./test/mutations -count=1 -timeout=2h -v -run='^TestEachGuardIsMissed$$' -mutate

# What sealcar adds to a request, beside nginx and other hops. Needs a machine of
# its own for a quarter of an hour; QUICK=1 shows in a minute or two that it works
# and writes its page below .cache.
.PHONY: bench
bench: build ## measure everything side by side and write docs/benchmarks.md (QUICK=1)
	@mkdir -p .cache/docs
	$(GO) build -buildvcs=false -o .cache/hop ./test/bench/hop
	@$(MAKE) -s bench-crypto $(if $(QUICK),ROUNDS=1) > .cache/crypto.txt
	.cache/hop -crypto .cache/crypto.txt $(if $(QUICK),-quick -docs .cache/docs)

# Every reply is checked, and memory, descriptors and goroutines must stay flat. Of
# memory a run of less than ten minutes says little. DOCS=docs writes docs/soak.md.
FOR  ?= 30m
DOCS ?=

.PHONY: soak
soak: build ## mixed traffic through both ends for FOR (30m), while keys rotate and settings change (DOCS)
	@mkdir -p .cache
	$(GO) build -buildvcs=false -o .cache/hop ./test/bench/hop
	.cache/hop soak -for $(FOR) $(if $(DOCS),-docs $(DOCS))

.PHONY: streams
streams: build ## open STREAMS (10000) slow streams at a time, straight and through the sidecar
	@mkdir -p .cache
	$(GO) build -buildvcs=false -o .cache/hop ./test/bench/hop
	.cache/hop streams $(if $(STREAMS),-streams $(STREAMS))

.PHONY: bench-go
bench-go: ## run Go benchmarks (PKG, BENCH)
	$(GO) test -run='^$$' -bench='$(BENCH)' -benchmem $(PKG)

.PHONY: bench-crypto
bench-crypto: $(CLIENTS)/python.ok ## what a chat costs beside the vendor's SDKs and the floor, with ratios (ROUNDS)
	@GO='$(GO)' test/bench/crypto.sh

# A chat's keys are made off the clock, which takes longer than what is measured:
# hence a count instead of a time.
.PHONY: bench-micro
bench-micro: ## the benchmarks of the protocol and of what changes bytes, six times
	@$(GO) test -run='^$$' -bench='Chat|Floor' -benchtime=5000x -benchmem -count=6 ./crypto/ark
	@$(GO) test -run='^$$' -bench='SealLarge|Transport|Growth' -benchtime=100ms -benchmem -count=6 ./crypto/ark
	@$(GO) test -run='^$$' -bench=. -benchtime=100ms -benchmem -count=6 ./rewrite

.PHONY: bench-compare
bench-compare: ## bench-micro against the committed figures; the same machine, or only allocations count
	@mkdir -p .cache
	@$(MAKE) -s bench-micro > .cache/bench.txt || { cat .cache/bench.txt; exit 1; }
	$(BENCHSTAT) test/bench/baseline.txt .cache/bench.txt

.PHONY: bench-baseline
bench-baseline: ## commit its result after a change that is meant to be felt
	@$(MAKE) -s bench-micro > .cache/bench.txt
	@cp .cache/bench.txt test/bench/baseline.txt

.PHONY: cover
cover: clients ## coverage of the whole module by all of its tests
	@mkdir -p .cache
	$(GO) test -coverpkg=./... -coverprofile=.cache/cover.out $(PKG)
	$(GO) tool cover -func=.cache/cover.out | tail -1

# The clients that test/clients runs, by lock file. Without an interpreter the file
# stays away, so that each run says so again.
.PHONY: clients
clients: $(CLIENTS)/python.ok $(CLIENTS)/frameworks.ok $(CLIENTS)/node.ok $(CLIENTS)/java.ok ## install the SDKs that the tests talk through

$(CLIENTS)/python.ok: test/clients/python/requirements.txt test/clients/install.sh
	@test/clients/install.sh python

$(CLIENTS)/frameworks.ok: test/clients/python/frameworks.txt test/clients/install.sh
	@test/clients/install.sh frameworks

$(CLIENTS)/node.ok: test/clients/node/package-lock.json test/clients/install.sh
	@test/clients/install.sh node

$(CLIENTS)/java.ok: test/clients/java/pom.xml test/clients/java/jars.sha256 test/clients/install.sh
	@test/clients/install.sh java

.PHONY: clients-lock
clients-lock: clients ## make the lock files of the SDKs anew after their versions were edited
	$(CLIENTS)/python/bin/python -m venv $(CLIENTS)/lock
	$(CLIENTS)/lock/bin/pip install --quiet '$(PIP_TOOLS)'
	for lock in requirements frameworks; do \
		$(CLIENTS)/lock/bin/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras --no-header --no-annotate --no-emit-options \
			-o test/clients/python/$$lock.txt test/clients/python/$$lock.in || exit 1; \
	done
	npm install --prefix test/clients/node --package-lock-only --omit-lockfile-registry-resolved
	mvn --batch-mode --quiet --file test/clients/java/pom.xml -DoutputDirectory=$(CURDIR)/$(CLIENTS)/java-lock \
		org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies
	cd $(CLIENTS)/java-lock && sha256sum *.jar >$(CURDIR)/test/clients/java/jars.sha256
	$(GO) -C test/clients/go mod tidy
	$(GO) -C test/clients/go/dialects mod tidy

.PHONY: test-clients
test-clients: clients ## the tests through the SDKs alone
	$(GO) test -timeout=$(TIMEOUT) $(TESTFLAGS) ./test/clients

.PHONY: clients-docs
clients-docs: clients ## write docs/clients.md from a run of every client
	$(GO) test -timeout=$(TIMEOUT) -count=1 -run='^TestMatrix$$' ./test/clients -update

.PHONY: clean
clean: ## remove what make made
	rm -rf bin .cache dist

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# Images. IMAGE has no default registry: nobody owns a path yet.
IMAGE     ?= sealcar:$(VERSION)
PLATFORMS ?= linux/amd64 linux/arm64
CREATED   ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 0)

comma := ,
empty :=

.PHONY: image
image: ## build the multi-arch image with docker buildx (IMAGE, PLATFORMS)
	docker buildx build --platform $(subst $(empty) $(empty),$(comma),$(PLATFORMS)) \
		--build-arg VERSION=$(VERSION) --build-arg REVISION=$$(git rev-parse HEAD 2>/dev/null) -t $(IMAGE) -f image/Dockerfile .

.PHONY: test-image
test-image: ## the tests of what makes the image
	$(GO) -C image test ./...

.PHONY: image-tar
image-tar: ## write dist/sealcar.tar, the same as an OCI archive, with Go alone (IMAGE, PLATFORMS)
	@mkdir -p dist
	@set -e; for p in $(PLATFORMS); do \
		echo "building for $$p" && CGO_ENABLED=0 GOOS=$${p%/*} GOARCH=$${p#*/} $(GO) build -trimpath -buildvcs=false \
			-ldflags '-s -w -X sealcar/command.version=$(VERSION)' -o dist/sealcar-$$(echo $$p | tr / -) .; \
	done
	$(GO) -C image run . -o $(CURDIR)/dist/sealcar.tar -name $(IMAGE) -version $(VERSION) \
		-revision "$$(git rev-parse HEAD 2>/dev/null)" -created $(CREATED) \
		$(foreach p,$(PLATFORMS),$(p)=$(CURDIR)/dist/sealcar-$(subst /,-,$(p)))

.PHONY: sbom
sbom: ## write dist/sbom.cdx.json, what the binary is made of (CycloneDX)
	@mkdir -p dist
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -o dist/sealcar .
	$(GO) -C image run . -version $(VERSION) -sbom $(CURDIR)/dist/sbom.cdx.json $(CURDIR)/dist/sealcar

.PHONY: licenses
licenses: ## write dist/licenses.csv, the licences of all that the binary is made of
	@mkdir -p dist
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -o dist/sealcar .
	$(GO) -C image run . -licenses $(CURDIR)/dist/licenses.csv $(CURDIR)/dist/sealcar

# Charts.
.PHONY: chart-tools
chart-tools: .cache/charts/ok ## build what test/charts needs

.cache/charts/ok: test/charts/install.sh test/charts/tools/go.sum
	@GO='$(GO)' test/charts/install.sh

.PHONY: test-alerts
test-alerts: chart-tools ## the alerts of charts/sealcar, by Prometheus' own engine
	$(GO) -C test/charts/alerts test -count=1 ./... # the charts are no files of that module: a cached result may be old

.PHONY: chart-docs
chart-docs: chart-tools ## write the READMEs of the charts anew from their values
	.cache/charts/helm-docs --chart-search-root=charts --chart-to-generate=charts/sealcar,charts/sealcar-sidecar --skip-version-footer

.PHONY: chart-packages
chart-packages: chart-tools ## write dist/sealcar-*.tgz and dist/sealcar-sidecar-*.tgz, for a registry of charts
	@mkdir -p dist
	.cache/charts/helm package charts/sealcar charts/sealcar-sidecar -d dist

.PHONY: test-kube
test-kube: chart-tools ## the charts in a real cluster: KUBECONFIG, else the lab KUBE_LAB, else kind (TESTFLAGS)
	@GO='$(GO)' TESTFLAGS='$(TESTFLAGS)' test/kube/run.sh
