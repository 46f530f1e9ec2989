# The developer's targets. scripts/test sets everything up and calls them.
PYTHON ?= .venv/bin/python
BIN := $(dir $(PYTHON))

.PHONY: check test cover mutate soak chaos bench fuzz lock docs sanitize

check: ## format, lint, types, walls between the rooms
	$(BIN)ruff format --check src tests bench fuzz
	$(BIN)ruff check src tests bench fuzz
	$(BIN)mypy
	$(BIN)lint-imports

test: ## all tests; those marked e2e need the servers that scripts/test installs
	$(PYTHON) -m pytest

cover: ## every line and branch of the rooms without sockets, by their tests and whole calls in memory: minutes
	@mkdir -p build/coverage
	$(PYTHON) -m pytest -q -n 2 --dist loadfile $(foreach room,addressing config call sip jabber media ipc,\
		tests/$(room) $(if $(wildcard tests/$(room)/net),--ignore=tests/$(room)/net)) \
		--ignore=tests/jabber/test_with_servers.py \
		tests/app/test_gateway*.py tests/app/test_reload.py tests/app/test_early_media.py tests/app/test_tally.py \
		tests/app/test_view.py --cov

mutate: ## change the code where mistakes would be worst and see whether a test notices; ten minutes
	$(PYTHON) scripts/mutate

soak: ## 20,000 calls of every outcome with faults among them; nothing may be left, memory may not grow
	SOAK_CALLS=$${SOAK_CALLS:-20000} SOAK_LOG=$${SOAK_LOG:-/dev/null} $(PYTHON) -m pytest -o timeout=0 tests/soak

chaos: ## an hour of random deaths in random calls (CHAOS_SECONDS for each XMPP server), new calls after each
	CHAOS_SECONDS=$${CHAOS_SECONDS:-1800} $(PYTHON) -m pytest -o timeout=0 tests/e2e/test_chaos.py

bench: ## our own delay and CPU, each beside a reference measured in the same run
	PYTHONPATH=tests $(PYTHON) -m bench

sanitize: ## the relay's compiled loop under the sanitizers of gcc
	$(PYTHON) -m tests.media.net.sanitized

fuzz: ## what reads bytes that anybody can send, a minute for each target
	for target in sip_message sip_stream sdp rtp ng stanzas blob ipc configuration; do \
		PYTHONPATH=src $(PYTHON) -m fuzz $$target -max_total_time=60 -print_final_stats=1 || exit 1; done

docs: ## the site in build/site; a warning is an error, and nothing in it is loaded from another host
	$(BIN)mkdocs build --strict --quiet

lock: ## rewrite from pyproject.toml what developers install, and of the same versions what operators do
	$(BIN)uv pip compile --quiet --generate-hashes --extra dev --no-header --universal --python-version 3.11 \
		-o requirements.lock pyproject.toml
	$(BIN)uv pip compile --quiet --generate-hashes --extra build --no-header --universal --python-version 3.11 \
		--constraint requirements.lock -o requirements-run.lock pyproject.toml
