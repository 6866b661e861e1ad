# What a contributor needs. A learner needs `cargo run` and `cargo test` only.

CARGO  ?= cargo
RUNS   ?= 50
INPUTS ?= 10000000
LOSS   ?= 100

.PHONY: help run test check grade prove flake interop fuzz bench book sync fmt clippy stubs loss

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## where you are and what is next (the same as `cargo run`)
	@$(CARGO) run --quiet

test: ## every test that needs no other program (the same as `cargo test`)
	$(CARGO) test

check: fmt clippy test prove stubs interop ## all that must hold before a change lands
	@echo "make check: all of it holds"

fmt: ## formatting, without changing anything
	$(CARGO) fmt --all --check

clippy: ## lints of every target and of the exercises, warnings denied
	$(CARGO) clippy --quiet --workspace --all-targets -- --deny warnings

stubs: ## the exercises as they are handed out compile, each by itself
	$(CARGO) build --quiet --package lessons --bins

grade: ## one program or exercise: make grade WHAT=time_server
	$(CARGO) test --quiet --test grade -- $(WHAT)

prove: ## the grader fails every wrong program for its own reason; of one chapter or program: make prove CH=ch04
	PROVE=1 $(CARGO) test --test grade -- --format terse $(CH)

flake: ## the default tests, RUNS times in a row (50), up to the first failure
	$(CARGO) test --no-run
	@for run in $$(seq $(RUNS)); do \
	  $(CARGO) test --quiet >target/flake.log 2>&1 || { echo "run $$run of $(RUNS) failed:"; grep -A 18 '^---- ' target/flake.log; exit 1; }; \
	  printf .; \
	done; echo ' $(RUNS) runs, no failure'

interop: ## the programs against nc, ncat, socat, ss, tshark, curl, nginx and python3, where installed
	INTEROP=1 $(CARGO) test --quiet --test interop

fuzz: ## millions of random and spoilt inputs for each codec (INPUTS, ten million), a minute or so each
	$(CARGO) run --quiet --release --package fuzz -- --inputs $(INPUTS)

loss: ## LOSS transfers (100) of 1 MiB through a link that drops one datagram in five, compared octet for octet
	$(CARGO) build --quiet --bins
	INTEROP=1 LOSS=$(LOSS) $(CARGO) test --quiet --test interop -- ch06::loss::ours --exact

bench: ## speed beside other implementations, as ratios in one run
	$(CARGO) bench --bench echo --bench relay --bench tftp --bench unix

book: ## the lessons as a site in target/book (needs mdBook: cargo install mdbook)
	@command -v mdbook >/dev/null || { echo "mdbook is not installed: cargo install mdbook --locked"; exit 1; }
	mdbook build

sync: ## rewrite every excerpt, output, number and picture in the lessons from the programs
	$(CARGO) build --bins
	SYNC=1 $(CARGO) test --quiet --test lessons
