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
# make verify        tries what is deployed as mParticle will: TARGET=alias ARN or https URL, default the cloud of make up
#                    (CALLS=100 COLD=0 SETTINGS=file REPORT=file YES=1 PARTNER=folder; python -m ops verify --help has more)
# make registration  what mParticle gets to know of this integration, as JSON
# make registration-check   fails if it would break live customers, compared with registration.json
# make registration-accept  makes it the one to compare with
# make postman       writes docs/postman_collection.json, with your messages
# make cookie-sync-questionnaire   what mParticle asks about the cookie sync, answered (ENDPOINTS="US1=https://... EU1=https://...")
#
# Each sets up what it needs. Nothing here needs an AWS account, Docker or credentials, except make verify of what is on AWS.

PYTHON ?= python3.13
ARCHITECTURE ?= x86_64
EVENT ?=
PARTNER ?=
WATCH ?=
ENDPOINTS ?=
BENCH ?=
TARGET ?=
CALLS ?=
COLD ?=
SETTINGS ?=
REPORT ?=
YES ?=

# Recipes read these from the environment, in quotes, and never as $(NAME): what a value holds is text, neither for make,
# which would run $(shell ...) in it, nor for the shell.
VARIABLES := PYTHON ARCHITECTURE EVENT PARTNER WATCH ENDPOINTS BENCH TARGET CALLS COLD SETTINGS REPORT YES
$(foreach name,$(VARIABLES),$(eval override $(name) := $$(value $(name))))
export $(VARIABLES)

export PYTHONPATH := src
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export SAM_CLI_TELEMETRY := 0
# Whatever asks for AWS in a test must find none. Only verify, and only alone, has the credentials of who calls it.
ifneq ($(MAKECMDGOALS),verify)
export AWS_CONFIG_FILE := /dev/null
export AWS_SHARED_CREDENTIALS_FILE := /dev/null
export AWS_EC2_METADATA_DISABLED := true
unexport AWS_PROFILE
endif

override BIN := .venv/bin
override ENVIRONMENTS := .venv/.installed .local/sam/.installed .local/ministack/.installed .local/runtime/.installed

.PHONY: help run preview test lint format bench bench-report build up invoke logs down verify registration
.PHONY: registration-check registration-accept postman cookie-sync-questionnaire setup python static checked packed-build clean
.DEFAULT_GOAL := help

help:
	@sed -n '/^# make/s/^# //p' $(MAKEFILE_LIST)

run: setup
	@$(BIN)/python -m local $${EVENT:+"--event=$$EVENT"} $${PARTNER:+"--partner=$$PARTNER"}

preview: .venv/.installed
	@$(BIN)/python -m local.preview $${EVENT:+"--event=$$EVENT"} $${PARTNER:+"--partner=$$PARTNER"} $${WATCH:+--watch}

test: checked
	$(BIN)/pytest --numprocesses auto --maxprocesses 4 --dist loadfile

lint: setup static .local/lint/.installed
	@$(BIN)/python -m local.build.linting

# Side by side, because on a fresh clone the types and the build for the tests take about as long as each other.
checked: setup
	@$(MAKE) --no-print-directory --jobs=2 static registration-check packed-build

packed-build: .venv/.installed .local/sam/.installed
	@$(BIN)/python -m local.build.build --packed

static: .venv/.installed
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/lint-imports --no-cache
	$(BIN)/mypy

format: .venv/.installed
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

bench: setup .local/bench/.installed
	@set -f; .local/bench/bin/python -m bench $$BENCH

bench-report: .local/bench/.installed
	@.local/bench/bin/python -m bench report

build: setup
	@$(BIN)/python -m local.build.build "--architecture=$$ARCHITECTURE"

up: setup
	@$(BIN)/python -m local.cloud.background up $${PARTNER:+"--partner=$$PARTNER"}

invoke logs down: .venv/.installed
	@$(BIN)/python -m local.cloud.background $@ $${EVENT:+"$$EVENT"}

verify: .venv/.installed
	@$(BIN)/python -m ops verify $${CALLS:+"--calls=$$CALLS"} $${COLD:+"--cold=$$COLD"} \
		$${SETTINGS:+"--settings=$$SETTINGS"} $${REPORT:+"--report=$$REPORT"} $${PARTNER:+"--partner=$$PARTNER"} \
		$${YES:+--yes} $${TARGET:+-- "$$TARGET"}

registration: .venv/.installed
	@$(BIN)/python -m local.registration

registration-check registration-accept: registration-%: .venv/.installed
	@$(BIN)/python -m local.registration $*

postman: .venv/.installed
	@$(BIN)/python -m local.postman

cookie-sync-questionnaire: .venv/.installed
	@set -f --; for endpoint in $$ENDPOINTS; do set -- "$$@" "--endpoint=$$endpoint"; done; \
		$(BIN)/python -m local.registration.cookie_sync_questionnaire "$$@"

# The four environments side by side; each is made anew when its requirements change.
setup:
	@$(MAKE) --silent --no-print-directory --jobs=4 $(ENVIRONMENTS)

.venv/.installed: requirements-dev.txt requirements.txt
.local/sam/.installed: local/requirements-sam.txt
.local/ministack/.installed: local/requirements-ministack.txt
.local/runtime/.installed: local/requirements-runtime.txt
.local/lint/.installed: local/requirements-lint.txt
.local/bench/.installed: bench/requirements.txt requirements.txt

python:
	@"$$PYTHON" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' 2>/dev/null || \
		{ echo 'Python 3.13 is needed: install it, or name it with "make PYTHON=/path/to/python3.13 ..."' >&2; exit 1; }

$(ENVIRONMENTS) .local/lint/.installed .local/bench/.installed: | python
	@echo 'Installing $< into $(@D) ...'
	@rm -rf $(@D)
	@"$$PYTHON" -m venv $(@D)
	@$(@D)/bin/pip install -qq --requirement $<
	@touch $@

clean:
	@test ! -x $(BIN)/python || $(BIN)/python -m local.cloud.background down
	rm -rf .aws-sam .local .venv
