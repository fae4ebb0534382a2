## The product on this machine. No AWS account, Docker or credentials needed.
##
##   make run           every message in events/, end to end, in a local cloud
##                        EVENT=file sends this one, EVENT=- reads standard input
##                        PARTNER=folder for an example, or one laid out like it
##   make preview       which calls of your API each message becomes, in a second
##                      and without a cloud
##                        EVENT and PARTNER as for run; WATCH=1 after each save
##   make samples       writes requests that fit your registration into events/;
##                      files that are there stay
##                        PARTNER as for run
##   make up            the same local cloud in the background: for boto3, the
##                      AWS CLI, sam local. Again after an edit, it redeploys
##                      It prints the URL of the inspector, a page that shows
##                      what happens with each request
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
##   make verify        tries what is deployed as mParticle will
##                        TARGET=alias ARN or https URL (default: of make up);
##                        REPORT=file writes what you can hand over; CALLS=100;
##                        COLD=0; SETTINGS=file; PARTNER=folder; YES=1
##   make postman       writes docs/postman_collection.json, with your messages
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
##   make lock          writes the lock files after a change of the dependency
##                      groups in pyproject.toml
##   make lock-upgrade  the same, with newer versions of what they pull in
##   make clean         removes what was installed and built here
##
## ARGS="..." adds options of `python -m ops` to dead-letters, redrive and purge.
## docs/local.md explains the local cloud.

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
VARIABLES := PYTHON ARCHITECTURE EVENT PARTNER WATCH ENDPOINTS BENCH TARGET CALLS COLD SETTINGS REPORT YES
VARIABLES += FOLLOW FILTER JSON QUEUE REASON ACCOUNT LETTER EACH DRY_RUN ALL ARGS
$(foreach name,$(VARIABLES),$(eval override $(name) := $$(value $(name))))
export $(VARIABLES)

export PYTHONPATH := src
# Whatever asks for AWS in a test must find none. Only verify, and only alone, has the credentials of who calls it.
ifneq ($(MAKECMDGOALS),verify)
export AWS_CONFIG_FILE := /dev/null
export AWS_SHARED_CREDENTIALS_FILE := /dev/null
export AWS_EC2_METADATA_DISABLED := true
unexport AWS_PROFILE
endif

override BIN := .venv/bin
# Makes the environments whose names follow. Those that are as their locks say cost nothing.
override SETUP := python="$$(sh local/setup/python.sh)" && "$$python" -m local.setup

.PHONY: help run preview samples test lint format bench bench-report build verify registration setup lock lock-upgrade
.PHONY: up invoke logs down dead-letters dead-letter redrive purge
.PHONY: registration-check registration-accept postman cookie-sync-questionnaire static checked packed-build clean
.DEFAULT_GOAL := help

help:
	@sed -n 's/^## \{0,1\}//p' $(MAKEFILE_LIST)

run:
	@$(SETUP) local sam ministack
	@$(BIN)/python -m local $${EVENT:+"--event=$$EVENT"} $${PARTNER:+"--partner=$$PARTNER"}

preview:
	@$(SETUP) local
	@$(BIN)/python -m local.preview $${EVENT:+"--event=$$EVENT"} $${PARTNER:+"--partner=$$PARTNER"} $${WATCH:+"--watch=$$WATCH"}

samples:
	@$(SETUP) local
	@$(BIN)/python -m local.samples $${PARTNER:+"--partner=$$PARTNER"}

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

# A shell evaluates what `up` and `down` print: nothing else goes to standard output. Where the set-up fails it gets "false".
up:
	@{ $(SETUP) local sam ministack; } >&2 || { test -t 1 || echo false; exit 1; }
	@$(BIN)/python -m local.cloud up $${PARTNER:+"--partner=$$PARTNER"} $${WATCH:+"--watch=$$WATCH"}

down:
	@{ $(SETUP) local; } >&2
	@$(BIN)/python -m local.cloud down

verify:
	@$(SETUP) local
	@$(BIN)/python -m ops verify $${CALLS:+"--calls=$$CALLS"} $${COLD:+"--cold=$$COLD"} \
		$${SETTINGS:+"--settings=$$SETTINGS"} $${REPORT:+"--report=$$REPORT"} $${PARTNER:+"--partner=$$PARTNER"} \
		$${YES:+--yes} $${TARGET:+-- "$$TARGET"}

invoke:
	@$(SETUP) local
	@$(BIN)/python -m local.cloud invoke $${EVENT:+"$$EVENT"}

logs:
	@$(SETUP) local
	@$(BIN)/python -m local.cloud logs $${FILTER:+"--filter=$$FILTER"} $${FOLLOW:+"--follow=$$FOLLOW"} $${JSON:+"--json=$$JSON"}

dead-letter:
	@$(SETUP) local
	@$(BIN)/python -m local.cloud ops show "$$LETTER"

dead-letters redrive purge:
	@$(SETUP) local
	@set -f -- $$ARGS; $(BIN)/python -m local.cloud ops $(subst dead-letters,list,$@) \
		$${QUEUE:+"--queue=$$QUEUE"} $${REASON:+"--reason=$$REASON"} $${ACCOUNT:+"--account=$$ACCOUNT"} \
		$${EACH:+"--each=$$EACH"} $${DRY_RUN:+"--dry-run=$$DRY_RUN"} $${ALL:+"--all=$$ALL"} "$$@"

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
	@test ! -x $(BIN)/python || $(BIN)/python -m local.cloud down >/dev/null
	rm -rf .aws-sam .local .venv
