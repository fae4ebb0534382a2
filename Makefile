# make run           the product on your machine: every message in events/, end to end (EVENT=file for one, EVENT=- for stdin;
#                    PARTNER=folder for an example, or a folder laid out like one)
# make preview       which calls of your API each message in events/ becomes, in a second and without a cloud (EVENT, PARTNER;
#                    WATCH=1 again after each save)
# make test          the whole gate: format, lint, import rules, types, tests
# make lint          its static part, and linters and scanners for the template and the code
# make format        formats the code
# make bench         measures, prints and keeps the figures (BENCH="cold_start warm_cpu" for some)
# make bench-report  writes the last figures into docs/performance.md
# make build         the build that `sam deploy` takes to AWS (ARCHITECTURE=x86_64 or arm64)
# make up            the same local cloud, in the background: for boto3, the AWS CLI, sam local (may be repeated)
# make invoke        sends it a message: EVENT=file, or EVENT=- for stdin
# make logs          what its functions have logged, and which requests the partner got
# make down          stops it and removes its files
# make registration  what mParticle gets to know of this integration, as JSON
# make registration-check   fails if it would break live customers, compared with registration.json
# make registration-accept  makes it the one to compare with
# make postman       writes docs/postman_collection.json, with your messages
# make cookie-sync-questionnaire   what mParticle asks about the cookie sync, answered (ENDPOINTS="US1=https://... EU1=https://...")
# make setup         the environments for all of these but lint and bench
# make lock          writes the lock files after a change of the dependency groups in pyproject.toml
# make lock-upgrade  the same, with newer versions of what the direct dependencies pull in
#
# Each sets up what it needs. Nothing here needs an AWS account, Docker or credentials.

PYTHON ?= python3.13
ARCHITECTURE ?= x86_64
EVENT ?=
PARTNER ?=
WATCH ?=
ENDPOINTS ?=
BENCH ?=

# Recipes read these from the environment, in quotes, and never as $(NAME): what a value holds is text, neither for make,
# which would run $(shell ...) in it, nor for the shell.
VARIABLES := PYTHON ARCHITECTURE EVENT PARTNER WATCH ENDPOINTS BENCH
$(foreach name,$(VARIABLES),$(eval override $(name) := $$(value $(name))))
export $(VARIABLES)

export PYTHONPATH := src
# Whatever asks for AWS in a test must find none.
export AWS_CONFIG_FILE := /dev/null
export AWS_SHARED_CREDENTIALS_FILE := /dev/null
export AWS_EC2_METADATA_DISABLED := true
export SAM_CLI_TELEMETRY := 0
unexport AWS_PROFILE

override BIN := .venv/bin
# Makes the environments whose names follow. Those that are as their locks say cost nothing.
override SETUP := python="$$(sh local/setup/python.sh)" && "$$python" -m local.setup

.PHONY: help run preview test lint format bench bench-report build up invoke logs down registration
.PHONY: registration-check registration-accept postman cookie-sync-questionnaire setup lock lock-upgrade static checked
.PHONY: packed-build clean
.DEFAULT_GOAL := help

help:
	@sed -n '/^# make/s/^# //p' $(MAKEFILE_LIST)

run:
	@$(SETUP) local sam ministack
	@$(BIN)/python -m local $${EVENT:+"--event=$$EVENT"} $${PARTNER:+"--partner=$$PARTNER"}

preview:
	@$(SETUP) local
	@$(BIN)/python -m local.preview $${EVENT:+"--event=$$EVENT"} $${PARTNER:+"--partner=$$PARTNER"} $${WATCH:+--watch}

test: checked
	$(BIN)/pytest --numprocesses auto --maxprocesses 4 --dist loadfile

lint: static
	@$(SETUP) tests sam lint
	@$(BIN)/python -m local.build.linting

# Side by side, because on a fresh clone the types and the build for the tests take about as long as each other.
checked: setup
	@$(MAKE) --no-print-directory --jobs=2 static registration-check packed-build

packed-build:
	@$(SETUP) local sam
	@$(BIN)/python -m local.build --packed

static:
	@$(SETUP) tests
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/lint-imports --no-cache
	$(BIN)/mypy

format:
	@$(SETUP) tests
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

bench:
	@$(SETUP) local sam ministack runtime bench
	@set -f; .local/bench/bin/python -m bench $$BENCH

bench-report:
	@$(SETUP) bench
	@.local/bench/bin/python -m bench report

build:
	@$(SETUP) local sam
	@$(BIN)/python -m local.build "--architecture=$$ARCHITECTURE"

up:
	@$(SETUP) local sam ministack
	@$(BIN)/python -m local.cloud.background up $${PARTNER:+"--partner=$$PARTNER"}

invoke logs down:
	@$(SETUP) local
	@$(BIN)/python -m local.cloud.background $@ $${EVENT:+"$$EVENT"}

registration:
	@$(SETUP) local
	@$(BIN)/python -m local.registration

registration-check registration-accept: registration-%:
	@$(SETUP) local
	@$(BIN)/python -m local.registration $*

postman:
	@$(SETUP) local
	@$(BIN)/python -m local.postman

cookie-sync-questionnaire:
	@$(SETUP) local
	@set -f --; for endpoint in $$ENDPOINTS; do set -- "$$@" "--endpoint=$$endpoint"; done; \
		$(BIN)/python -m local.registration.cookie_sync_questionnaire "$$@"

setup:
	@$(SETUP) tests sam ministack runtime

lock:
	@python="$$(sh local/setup/python.sh)" && "$$python" -m local.setup.lock

lock-upgrade:
	@python="$$(sh local/setup/python.sh)" && "$$python" -m local.setup.lock --upgrade

clean:
	@test ! -x $(BIN)/python || $(BIN)/python -m local.cloud.background down
	rm -rf .aws-sam .local .venv
