# `make run` and `make test` need Python 3.11 or newer and make, nothing else.
PYTHON := $(shell for p in python3.12 python3.11 python3 python3.13 python3.14; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
# Modules are compiled when they are first imported, and only then: most of those that are installed never are.
export PYTHONDONTWRITEBYTECODE :=
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --require-hashes

# Each process starts a PostgreSQL and a Redis of its own. There are more than cores, because tests wait, slow ones most.
CORES := $(shell getconf _NPROCESSORS_ONLN)
PARALLEL := --maxprocesses 8 --dist worksteal

.PHONY: run test test-fast check lint types tests-compiled tools promtool messages screenshots clean requirements seed-jobs bench chaos

run: $(VENV)/run.stamp
	@exec $(BIN)/python -m syncmonitor.run

test:
	@$(MAKE) --no-print-directory -j2 check tests-compiled tools
	$(BIN)/python -m pytest -n $(shell expr $(CORES) + 2) $(PARALLEL)

# The tests without the slow ones: no browser, no killed workers, no fuzzing.
test-fast: $(VENV)/dev.stamp
	$(BIN)/python -m pytest -n $(shell expr $(CORES) + 1) $(PARALLEL) -m "not browser and not faults and not fuzz"

# Collect all tests, so that their modules are compiled once and not by each process.
tests-compiled: $(VENV)/dev.stamp
	@found=$$($(BIN)/python -m pytest --collect-only --quiet -p no:xdist 2>&1) || { echo "$$found"; exit 1; }

# Install the browser, gettext and promtool, which the tests need, if that is possible without asking. A Chromium without
# windows takes half of the processor time; where it is not packaged, any Chromium does.
tools: $(VENV)/bin/python
	@has() { for name; do command -v $$name >/dev/null && return; done; false; }; \
	install() { test "$$(id -u)" = 0 && has apt-get && \
		{ timeout 60 apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$$@"; } >/dev/null 2>&1; }; \
	lacks() { echo "Not on this machine: $$1. The tests that need it will be skipped." >&2; }; \
	has xgettext || install gettext || lacks gettext; \
	has chromium-headless-shell || install chromium-headless-shell fonts-dejavu-core || \
		has chromium chromium-browser google-chrome google-chrome-stable || install chromium fonts-dejavu-core || lacks chromium
	@test -x $(BIN)/promtool || command -v promtool >/dev/null || $(MAKE) --no-print-directory promtool || \
		echo "Not on this machine: promtool. The tests that need it will be skipped." >&2

# Take the program alone out of Debian's package, which would start a server.
promtool:
	@folder=$$(mktemp -d) && trap "rm -rf $$folder" EXIT && chmod 755 $$folder && cd $$folder && \
		{ test "$$(id -u)" != 0 || apt-get update -qq; } && apt-get download -qq prometheus 2>/dev/null && dpkg -x prometheus_*.deb . && \
		install usr/bin/promtool $(CURDIR)/$(BIN)/promtool

check: lint types
	DEBUG=true $(BIN)/python manage.py makemigrations --check --dry-run
	SECRET_KEY=$$($(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(60))') ALLOWED_HOSTS=example.org \
		$(BIN)/python manage.py check --deploy --fail-level WARNING

types: $(VENV)/dev.stamp
	DEBUG=true $(BIN)/mypy

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo
	$(BIN)/djlint templates --lint --quiet

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed, but not on the PATH." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(VENV)/run.stamp: $(VENV)/bin/python requirements.txt requirements-embedded.txt
	$(INSTALL) -r requirements.txt -r requirements-embedded.txt
	@touch $@

# What `make run` needs is in requirements-dev.txt too.
$(VENV)/dev.stamp: $(VENV)/bin/python requirements.txt requirements-embedded.txt requirements-dev.txt
	$(INSTALL) -r requirements-dev.txt
	@touch $(VENV)/run.stamp $@

# Pin the newest versions of what the .in files ask for, with the hashes of their files. The image has the Python that this runs.
requirements: $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet pip-tools
	for name in requirements requirements-embedded requirements-observability requirements-dev; do \
		$(BIN)/pip-compile --quiet --upgrade --generate-hashes --allow-unsafe --strip-extras --no-emit-index-url --no-emit-find-links --output-file $$name.txt $$name.in; done

# Fill a separate PostgreSQL with a history of N jobs (about a minute for two million).
seed-jobs: $(VENV)/dev.stamp
	@$(BIN)/python -m tests.bench.seed "$(N)"

bench: $(VENV)/dev.stamp
	@$(BIN)/python -m tests.bench $(N)

# Run the site under load, kill and cut off its processes, and check its invariants. A seed repeats a plan.
chaos: $(VENV)/dev.stamp
	@$(BIN)/python -m tests.chaos $(if $(SEED),--seed $(SEED)) $(if $(MINUTES),--minutes $(MINUTES))

# Collect the texts of the code and the templates into locale/, and compile the translations.
messages: $(VENV)/dev.stamp tools
	DEBUG=true $(BIN)/python manage.py makemessages -l es --no-obsolete --no-location --no-wrap -i .venv -i .local -i tests
	DEBUG=true $(BIN)/python manage.py compilemessages -l es -i .venv

# Take pictures of every page: those in the documentation go to docs/screenshots/, the others to test-results/screenshots/.
screenshots: $(VENV)/dev.stamp tools
	@$(BIN)/python -m tests.browser.screenshots
	@$(BIN)/python -m tests.browser.screenshots --docs

clean:
	-$(BIN)/python -c 'from syncmonitor import embedded; embedded.stop()'
	rm -rf $(VENV) .local staticfiles .import_linter_cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .schemathesis
