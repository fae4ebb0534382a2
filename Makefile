## The product on this machine. No AWS account, Docker or credentials needed.
##
##   make run           every message in events/, end to end, in a local cloud
##                        EVENT=file sends this one, EVENT=- reads standard input
##                        PARTNER=folder for an example, or one laid out like it
##   make up            the same local cloud in the background: for boto3, the
##                      AWS CLI, sam local. Again after an edit, it redeploys
##                        PARTNER=folder as for run; WATCH=1 follows your edits
##                        eval "$(make -s up)" makes this shell use it
##   make invoke        sends it a message: EVENT=file or EVENT=-
##   make logs          what its functions logged and which requests the fake API
##                      got, in the order of time
##                        FOLLOW=1 goes on; JSON=1 shows everything
##                        FILTER=text, such as a request id, or a function's name
##   make dead-letters  lists what could not be delivered, in the local cloud
##                        QUEUE=membership, event, erasure or feed; REASON=text;
##                        ACCOUNT=id; EACH=1 for a row each
##   make dead-letter   shows one, masked: LETTER=message id
##   make redrive       sends letters back to their queue: the same filters;
##                        DRY_RUN=1 only tells which
##   make purge         deletes letters for good: the same filters; ALL=1
##   make down          stops it and removes its files
##                        eval "$(make -s down)" also clears this shell
##
## Checks
##
##   make test          the whole gate: format, lint, import rules, types, tests
##   make lint          its static part, and scanners of the template and the code
##   make format        formats the code
##   make bench         measures, prints and keeps the figures
##                        BENCH="cold_start warm_cpu" for some
##   make bench-report  writes the last figures into docs/performance.md
##
## To AWS and mParticle
##
##   make build         the build that `sam deploy` takes to AWS
##                        ARCHITECTURE=x86_64 or arm64
##   make registration  what mParticle gets to know of this integration, as JSON
##   make registration-check
##                      fails if it would break live customers, compared with
##                      registration.json
##   make registration-accept
##                      makes it the one to compare with
##   make cookie-sync-questionnaire
##                      what mParticle asks about the cookie sync, answered
##                        ENDPOINTS="US1=https://... EU1=https://..."
##
## This folder
##
##   make setup         installs what the others need; each does it by itself
##                        PYTHON=path of a Python 3.13
##   make clean         removes what was installed and built here
##
## ARGS="..." adds options of `python -m ops` to dead-letters, redrive and purge.
## docs/local.md explains the local cloud.

PYTHON ?= python3.13
ARCHITECTURE ?= x86_64
EVENT ?=
PARTNER ?=
ENDPOINTS ?=
BENCH ?=
WATCH ?=
FOLLOW ?=
FILTER ?=
JSON ?=
QUEUE ?=
REASON ?=
ACCOUNT ?=
LETTER ?=
EACH ?=
DRY_RUN ?=
ALL ?=
ARGS ?=

# Recipes read these from the environment, in quotes, and never as $(NAME): what a value holds is text, neither for make,
# which would run $(shell ...) in it, nor for the shell.
VARIABLES := PYTHON ARCHITECTURE EVENT PARTNER ENDPOINTS BENCH WATCH FOLLOW FILTER JSON QUEUE REASON ACCOUNT LETTER EACH DRY_RUN ALL ARGS
$(foreach name,$(VARIABLES),$(eval override $(name) := $$(value $(name))))
export $(VARIABLES)

export PYTHONPATH := src
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Whatever asks for AWS in a test must find none.
export AWS_CONFIG_FILE := /dev/null
export AWS_SHARED_CREDENTIALS_FILE := /dev/null
export AWS_EC2_METADATA_DISABLED := true
export SAM_CLI_TELEMETRY := 0
unexport AWS_PROFILE

override BIN := .venv/bin
override ENVIRONMENTS := .venv/.installed .local/sam/.installed .local/ministack/.installed .local/runtime/.installed

.PHONY: help run test lint format bench bench-report build registration
.PHONY: up invoke logs down dead-letters dead-letter redrive purge
.PHONY: registration-check registration-accept cookie-sync-questionnaire setup python static checked packed-build clean
.DEFAULT_GOAL := help

help:
	@sed -n 's/^## \{0,1\}//p' $(MAKEFILE_LIST)

run: setup
	@$(BIN)/python -m local $${EVENT:+"--event=$$EVENT"} $${PARTNER:+"--partner=$$PARTNER"}

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

# A shell evaluates what `up` and `down` print: nothing else goes to standard output. Where the set-up fails it gets "false".
up:
	@$(MAKE) --no-print-directory setup >&2 || { test -t 1 || echo false; exit 1; }
	@$(BIN)/python -m local.cloud up $${PARTNER:+"--partner=$$PARTNER"} $${WATCH:+"--watch=$$WATCH"}

down:
	@$(MAKE) --no-print-directory .venv/.installed >&2
	@$(BIN)/python -m local.cloud down

invoke: .venv/.installed
	@$(BIN)/python -m local.cloud invoke $${EVENT:+"$$EVENT"}

logs: .venv/.installed
	@$(BIN)/python -m local.cloud logs $${FILTER:+"--filter=$$FILTER"} $${FOLLOW:+"--follow=$$FOLLOW"} $${JSON:+"--json=$$JSON"}

dead-letter: .venv/.installed
	@$(BIN)/python -m local.cloud ops show "$$LETTER"

dead-letters redrive purge: .venv/.installed
	@set -f -- $$ARGS; $(BIN)/python -m local.cloud ops $(subst dead-letters,list,$@) \
		$${QUEUE:+"--queue=$$QUEUE"} $${REASON:+"--reason=$$REASON"} $${ACCOUNT:+"--account=$$ACCOUNT"} \
		$${EACH:+"--each=$$EACH"} $${DRY_RUN:+"--dry-run=$$DRY_RUN"} $${ALL:+"--all=$$ALL"} "$$@"

registration: .venv/.installed
	@$(BIN)/python -m local.registration

registration-check registration-accept: registration-%: .venv/.installed
	@$(BIN)/python -m local.registration $*

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
	@test ! -x $(BIN)/python || $(BIN)/python -m local.cloud down >/dev/null
	rm -rf .aws-sam .local .venv
