# Everything here works on a fresh clone with nothing but Python >= 3.11: each target makes what it
# needs first and says what it is doing.
.PHONY: help setup run test check format bench chaos chaos-full lock
.DEFAULT_GOAL := help
RUN := .venv/bin

help: ## what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 18

setup: ## .venv with everything pinned in requirements.lock
	@./tools/setup.sh

run: ## the whole system on this machine (UP="--port-offset 100" passes options on)
	@./tools/setup.sh --kafka
	@./vaxel up $(UP)

test: ## the whole test suite, a real Apache Kafka included (TESTS="path -k name" narrows it)
	@./tools/setup.sh --kafka
	@echo "test: the whole suite, then what needs a browser in a process of its own"
	@$(RUN)/pytest -m "not browser" $(TESTS)
	@$(RUN)/pytest -m browser $(TESTS) || [ $$? = 5 ] || \
	  { echo "test: a busy machine is late at times; once more what failed"; \
	    $(RUN)/pytest -m browser --last-failed $(TESTS); }

check: setup ## style, types, dependency rules and the fast tests
	@echo "check: ruff";         $(RUN)/ruff check .
	@echo "check: formatting";   $(RUN)/ruff format --check .
	@echo "check: types";        $(RUN)/mypy
	@echo "check: dependency rules"; PYTHONWARNINGS=ignore $(RUN)/lint-imports
	@if [ -f tools/tidy.py ]; then echo "check: tidy"; $(RUN)/python tools/tidy.py; fi
	@echo "check: fast tests";   $(RUN)/pytest -q -m "not (broker or e2e or browser or postgres)"

format: setup ## format the sources
	@$(RUN)/ruff check --fix-only --quiet . ; $(RUN)/ruff format .

bench: ## every benchmark in bench/ (BENCH=name narrows it)
	@./tools/setup.sh --kafka
	@for file in bench/bench_*$(BENCH)*.py; do echo "bench: $$file"; $(RUN)/python $$file || exit 1; done

mutants: setup ## how many small defects in the router's core its tests notice (MUTANTS="--sample 200")
	@$(RUN)/python tools/mutants.py --jobs 2 $(MUTANTS)

chaos: ## kill, freeze, double and cut off everything under load, then judge it (SEED=1 MINUTES=1)
	@./tools/setup.sh --kafka
	@$(RUN)/python tests/chaos/chaos.py --seed $(or $(SEED),1) --seconds $$(( $(or $(MINUTES),1) * 60 )) $(CHAOS)

chaos-full: ## every harness at full size, for hours; figures into OUT and docs/figures.md (ONLY=kills,rig)
	@./tools/setup.sh --kafka
	@$(RUN)/python tests/chaos/full.py --out $(or $(OUT),.vaxel/chaos) $(if $(ONLY),--only $(ONLY))

lock: setup ## requirements.lock and jgo.lock.toml again, from what they are made of
	@echo "lock: requirements.lock"
	@$(RUN)/uv pip compile --quiet --generate-hashes --no-emit-index-url --universal \
	  --python-version 3.11 requirements.in -o requirements.lock
	@echo "lock: deploy/kafka/jgo.lock.toml"
	@$(RUN)/python -m vaxel_cli.broker --lock
