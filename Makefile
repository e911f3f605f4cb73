# Everything a person types. `make` alone lists it.
# Needs only make and Python >= 3.11; another interpreter: make up PYTHON=python3.12
SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# The first of these that is new enough wins, unless PYTHON says otherwise.
CANDIDATES = python3 python3.14 python3.13 python3.12 python3.11 python
VENV := .venv
BIN := $(VENV)/bin
SEEDS ?= 10
WAIT ?= 0
PROFILE ?= smoke
# Before the next line gives the tests' number to everybody: of the load only what somebody typed.
LOAD_WORKERS := $(WORKERS)
# Two for tests that keep a core busy, three for those that mostly wait: tests/harness/turns.py sees to it. A
# file stays on one worker: its tests share the processes they started. A worker that died ends the run: its
# test hung, and its processes are still there. The house rules are `make check`'s.
WORKERS ?= 5
PYTEST = $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --max-worker-restart 0 --ignore=tests/tidy

# Compiled modules are kept, whatever the terminal says: the shop is five processes, the tests start
# many more, and each would compile all it imports.
unexport PYTHONDONTWRITEBYTECODE
# What another project's Python was told is not for this one.
unexport PYTHONPATH PYTHONHOME PYTHONSTARTUP PYTHONINSPECT

# Compose is a plugin of docker, or on older machines a program of its own.
COMPOSE = $$(docker compose version >/dev/null 2>&1 && echo docker compose || echo docker-compose) --project-name valerix

.PHONY: help up down gen logs reset stack stack-down stack-logs stack-reset stack-native rabbit-ui consume test test-all coverage lint fmt check build ci baseline notes trend render verify calm load load-tools locust chaos bench kube-check kube-tools migrate migrate-up migrate-down migrate-version migrate-force lock clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: $(VENV)/.installed  ## install what is needed, start the shop, stay in the foreground
	@exec $(BIN)/valerix up

down: $(VENV)/.installed  ## stop the shop of make up from another terminal; the data stays
	@$(BIN)/valerix down

logs: $(VENV)/.installed  ## follow the logs of the shop of make up
	@exec $(BIN)/valerix logs --follow

reset: down  ## stop the shop of make up and forget all its data
	@$(BIN)/valerix reset --yes

stack:  ## the shop and the whole telemetry stack in containers (needs Docker with Compose)
	@docker info >/dev/null 2>&1 || { echo "no Docker engine answers: start it, or use make up or make stack-native, which need none" >&2; exit 2; }
	@sh infra/secrets.sh
	@$(COMPOSE) up --build --detach
	@echo; echo "  starting; about a minute the first time (make stack-logs shows it)"; echo
	@at=$${STACK_HOST:-localhost}; test "$$at" != 0.0.0.0 || at=localhost; \
	echo "  gateway    http://$$at:8000      dashboard   http://$$at:8080      grafana  http://$$at:3030"
	@echo "  jaeger     http://localhost:16686     prometheus  http://localhost:9090"
	@echo; echo "  stop: make stack-down     stop and forget all data: make stack-reset"

# Compose reads the whole file before it stops anything.
.env:
	@sh infra/secrets.sh

stack-down: .env  ## stop the containers; the data stays
	@$(COMPOSE) --profile load down

stack-logs: .env  ## follow what the containers say
	@$(COMPOSE) logs --follow --tail 20

stack-reset: .env  ## stop the containers and forget all data
	@$(COMPOSE) --profile load down --volumes

stack-native: $(VENV)/.installed  ## the same without Docker, with the programs found on PATH
	@exec $(BIN)/valerix up --stack

test: $(VENV)/.installed-dev  ## the tests, with a real PostgreSQL of their own
	@$(PYTEST) -m "not long" $(ARGS)

# Its acts and storms each take what a machine has.
test-all: WORKERS = 2
test-all: $(VENV)/.installed-dev  ## the same and the long matrices: every fault on every hop, every seed, every act
	@$(PYTEST) $(ARGS)

coverage: $(VENV)/.installed-dev  ## branches covered by `make test`; fails under 90 % of services, chassis and proof
	@$(PYTEST) -m "not long" --cov --cov-report=term:skip-covered $(ARGS)

lint: $(VENV)/.installed-dev  ## what ruff finds wrong
	@$(BIN)/ruff check .

fmt: $(VENV)/.installed-dev  ## write the code in the one format
	@$(BIN)/ruff check --fix --quiet .
	@$(BIN)/ruff format .

check: lint  ## lint, format, types, who imports whom, house rules, the pipeline and the containers
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(protos)
	@$(configuration)
	@$(BIN)/python -m pytest -q tests/tidy

build: $(VENV)/.installed-dev  ## the packages and the list of what they are made of, in dist/; with Docker also the images
	@rm -rf dist
	@$(BIN)/uv build --quiet --no-build-isolation --python $(BIN)/python --out-dir dist
	@$(BIN)/python -W ignore -m cyclonedx_py requirements requirements.lock --pyproject pyproject.toml --output-reproducible --output-file dist/valerix.cdx.json
	@rm -f dist/.gitignore; ls dist
	@if docker info >/dev/null 2>&1; then sh infra/secrets.sh && $(COMPOSE) --profile load build; \
	else echo "no Docker engine answers: the images are left out"; fi

ci: check test build  ## what the pipeline runs, one after the other

baseline: $(VENV)/.installed-dev  ## at a release: keep the current documents of the interfaces as the last version's
	@$(BIN)/python -W ignore -m tests.contracts.documents
	@$(BIN)/buf build --exclude-source-info --output docs/contracts/protos.json

notes:  ## what the changelog says of a version: make notes V=0.1.0
	@awk -v v="$(V)" '/^## / {on = v != "" && $$2 == v} on' CHANGELOG.md | grep . \
	  || { echo "CHANGELOG.md has no part about \"$(V)\": make notes V=0.1.0" >&2; exit 2; }

trend: $(VENV)/.installed  ## the newest load report as one more line of a file: make trend FILE=trend.csv
	@$(BIN)/python -m loadtests trend $(FILE)

gen: $(VENV)/.installed-dev  ## write the Python of the protos, in valerix/
	@$(BIN)/buf generate

render: $(VENV)/.installed-dev  ## write anew all that is rendered: containers, rules, dashboards, a schema, colours, guards, documents
	@for each in infra.compose infra.gateway infra.kubernetes prometheus grafana scenarios.schema services.events.asyncapi frontend.service_colours tests.proof.guards tests.tidy.documents tests.contracts.expects; \
	  do $(BIN)/python -W ignore -m $$each || exit 1; done

RABBIT_UI ?= http://127.0.0.1:15672

rabbit-ui:  ## open the management page of the stack's RabbitMQ; user valerix, password in .env; guest, guest without Docker
	@echo "  $(RABBIT_UI)   user valerix, password STACK_RABBITMQ_PASSWORD in .env (stack-native: guest, guest)"
	@{ xdg-open $(RABBIT_UI) || open $(RABBIT_UI); } >/dev/null 2>&1 || true

consume: $(VENV)/.installed  ## follow the shop's events as they are published
	@exec $(BIN)/valerix events tail --follow

verify: $(VENV)/.installed  ## prove that no order was lost and nobody was charged twice
	@$(BIN)/valerix verify --wait $(WAIT)

calm: $(VENV)/.installed  ## call every gremlin off
	@$(BIN)/valerix calm

# Only what was given: everything else has its default, and its reason, in loadtests/.
LOAD = $(if $(SCALE),--scale "$(SCALE)") $(if $(RATE),--rate "$(RATE)") $(if $(LOAD_WORKERS),--workers "$(LOAD_WORKERS)") $(ARGS)

load: $(VENV)/.installed-load  ## load with a verdict: make load PROFILE=stress SCALE=0.2, all of it in docs/load.md
	@exec $(BIN)/python -m loadtests run --profile "$(PROFILE)" $(LOAD)

locust: $(VENV)/.installed-load  ## the same from Locust's own web page, http://127.0.0.1:8089
	@exec $(BIN)/python -m loadtests web $(LOAD)

load-tools: $(VENV)/.installed-load  ## install the load generator, for the dashboard of a shop that runs already

chaos: $(VENV)/.installed-dev  ## orders under faults, one run per seed: make chaos SEEDS=25
	@$(BIN)/python -m tests.chaos --seeds $(SEEDS) $(ARGS)

bench: $(VENV)/.installed $(VENV)-bench/.installed  ## what the shop costs, as ratios from one run: make bench ARGS="--rounds 9"
	@$(BIN)/python -m bench --otel-python $(VENV)-bench/bin/python $(ARGS)

# A folder of CustomResourceDefinitions, for the operators' own objects.
DEFINITIONS ?=

kube-check: $(VENV)/.installed-dev  ## give the Kubernetes objects to a real kube-apiserver and etcd, found on PATH
	@$(BIN)/python -m infra.kubernetes.check $(if $(DEFINITIONS),--definitions "$(DEFINITIONS)")

kube-tools:  ## install kubeconform and kube-score, which tests of the Kubernetes objects use, with Go
	@go install github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0
	@go install github.com/zegl/kube-score/cmd/kube-score@v1.20.0

migrate: migrate-up  ## the same as migrate-up

migrate-up: $(VENV)/.installed  ## bring the database to the newest schema
	@$(BIN)/valerix migrate up

migrate-down: $(VENV)/.installed  ## take the newest migration back
	@$(BIN)/valerix migrate down

migrate-version: $(VENV)/.installed  ## which migration the database is at
	@$(BIN)/valerix migrate version

migrate-force: $(VENV)/.installed  ## write down a version without running anything: make migrate-force V=0001
	@test -n "$(V)" || { echo "say which version: make migrate-force V=0001" >&2; exit 2; }
	@$(BIN)/valerix migrate force $(V)

lock: $(VENV)/.installed-dev  ## pin every dependency again, newest allowed by pyproject.toml
	@for extra in "" dev load bench; do \
	  echo "resolving requirements$${extra:+-$$extra}.lock"; \
	  case $$extra in \
	    dev) same="--constraint requirements.lock";; \
	    load) same="--constraint requirements-dev.lock";; \
	    *) same=;; \
	  esac; \
	  $(BIN)/uv pip compile pyproject.toml --extra build $${extra:+--extra $$extra} --upgrade --universal \
	    --python-version 3.11 --generate-hashes --custom-compile-command "make lock" --quiet \
	    $$same --output-file requirements$${extra:+-$$extra}.lock || exit 1; \
	done

clean:  ## remove the environment, the caches and the data in .valerix
	@for home in .valerix "$$VALERIX_HOME"; do \
	  if [ -f "$$home/run.json" ] && kill -0 "$$(sed -n 's/.*"pid": *\([0-9]*\).*/\1/p' "$$home/run.json")" 2>/dev/null; \
	  then echo "the shop is running: stop it first (Ctrl-C where make up runs)" >&2; exit 1; fi; done
	rm -rf $(VENV) $(VENV)-bench .valerix .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# ---- installation: one stamp per lock file, so a second run installs nothing -------------------

$(VENV)/.installed: requirements.lock pyproject.toml | $(VENV)/bin/python
	@$(call install,requirements.lock,$(VENV))
	@touch $@

$(VENV)/.installed-dev: requirements-dev.lock pyproject.toml | $(VENV)/bin/python
	@$(call install,requirements-dev.lock,$(VENV))
	@touch $@ $(VENV)/.installed $(VENV)/.installed-load

# The shop's own packages and the load generator, at the versions that the tests have.
$(VENV)/.installed-load: requirements-load.lock pyproject.toml | $(VENV)/bin/python
	@$(call install,requirements-load.lock,$(VENV))
	@touch $@ $(VENV)/.installed

# Apart, because Litestar imports the instrumentation wherever it is installed: the shop would pay.
$(VENV)-bench/.installed: requirements-bench.lock pyproject.toml | $(VENV)-bench/bin/python
	@$(call install,requirements-bench.lock,$(VENV)-bench)
	@touch $@

%/bin/python:
	@python='$(PYTHON)'; \
	if [ -z "$$python" ]; then \
	  for candidate in $(CANDIDATES); do \
	    if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
	    then python=$$candidate; break; fi; \
	  done; \
	fi; \
	test -n "$$python" || { echo "no Python >= 3.11 found: install one, or name it: make up PYTHON=/path/to/python3.12" >&2; exit 2; }; \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	  || { echo "$$python is missing or older than 3.11: name a newer one: make up PYTHON=python3.12" >&2; exit 2; }; \
	echo "creating $* with $$("$$python" --version)"; \
	"$$python" -m venv $* \
	  || { rm -rf $*; echo "$$python cannot create a virtual environment: on Debian and Ubuntu, apt-get install python3-venv" >&2; exit 2; }

# The protos by their own rules and format, and against those of the last version. Nothing is fetched.
define protos
$(BIN)/buf lint && $(BIN)/buf format --diff --exit-code && $(BIN)/buf breaking --against docs/contracts/protos.json
endef

# Workflows, compose and Dockerfile, read by those who know them; nothing is fetched. zizmor wants to know that it may
# not ask. The one that is no Python package is left out where it is not installed (.ci/install).
define configuration
$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml && \
$(BIN)/check-jsonschema --quiet --builtin-schema custom.github-workflows-require-timeout .github/workflows/*.yml && \
$(BIN)/check-jsonschema --quiet --builtin-schema vendor.compose-spec docker-compose.yml && \
$(BIN)/zizmor --quiet --offline --persona pedantic .github && \
$(BIN)/hadolint infra/Dockerfile && \
if PATH="$(BIN):$$PATH" command -v actionlint >/dev/null; then PATH="$(BIN):$$PATH" actionlint; \
else echo "actionlint is not installed: the workflows' expressions are not checked"; fi
endef

# The shell reads pip line by line; an awk may hold every line back until pip has ended.
# Hashes are required, so what is installed is what was locked. The project itself comes last, built
# by the backend the lock has just installed: no network, no second set of build requirements.
define install
echo "installing $$(grep -c '^[a-z].*==' $(1)) pinned packages from $(1): a minute the first time, several on a slow machine"; \
rm -f $(2)/.failed; \
{ $(2)/bin/python -m pip install --disable-pip-version-check --require-hashes --progress-bar off -r $(1) \
  || touch $(2)/.failed; } | while read -r what name rest; do case "$$what $$name" in \
  Collecting*) echo "  $${name%%;*}";; \
  "Installing collected") echo "  all are here; unpacking them takes the longest";; \
  esac; done; \
test ! -e $(2)/.failed && \
$(2)/bin/python -m pip install --disable-pip-version-check --quiet --no-build-isolation --no-deps --editable .
endef
