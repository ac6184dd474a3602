# SPDX-License-Identifier: Apache-2.0
# Makefile - the commands of the house; the build itself is meson's. Every target may be run again at any time.
.DEFAULT_GOAL := help
.PHONY: help demo demo-warehouse models build test lint bench fuzz soak coverage clean
.NOTPARALLEL:
DATAVAULT := build/release/cli/datavault
PAGE := http://127.0.0.1:8080/
GRAPH ?= $(if $(HEALTHCARE),conf/files.yaml,conf/demo.yaml)

help:
	@echo "make demo      build, and run conf/demo.yaml: watch it on $(PAGE)"
	@echo "               (HEALTHCARE=FILE FINANCE=FILE make demo: on records of your own)"
	@echo "make demo-warehouse"
	@echo "               build, and run conf/warehouse.yaml against an emulated Snowflake"
	@echo "make test      every test, with the sanitizers on"
	@echo "make models    the models that compare meanings, into parts/ (make demo does it, too)"
	@echo "make build     the program alone: $(DATAVAULT)"
	@echo "make lint      style, static analysis and the scorecard"
	@echo "make bench     records per CPU-second, beside a bare loop on the same data"
	@echo "make fuzz      every fuzz target for 60 s (SECONDS_EACH=600 for longer)"
	@echo "make coverage  which lines the unit tests and the simulation reach"
	@echo "make soak      what takes long: a fresh Debian, 20000 simulated graphs, all files through clang-tidy"
	@echo "make clean     removes build/; keys and data in var/ stay"

build:
	tools/build release cli/datavault

models:
	@tools/install models && tools/parts models || echo 'models: none could be fetched: answers are found by their words alone, and say so' >&2

demo: build $(if $(HEALTHCARE),,models)
	$(DATAVAULT) keys init --if-missing --keyring file:var/keyring healthcare finance reviews
	@printf '\nOpen %s in a browser. Ctrl-C drains and stops.\n' $(PAGE)
	@printf '%s\n\n' $(if $(HEALTHCARE),,'In a minute something rises: $(DATAVAULT) ask "which conditions are rising?"')
	@FOLLOW=true exec $(DATAVAULT) run $(GRAPH)

demo-warehouse: build models
	@tools/install emulator
	@tools/parts tests
	@exec tools/demo_warehouse --datavault $(DATAVAULT)

test:
	tools/test

fuzz:
	tools/fuzz --seconds $(or $(SECONDS_EACH),60)

lint:
	tools/lint

bench:
	tools/build release cli/datavault bench/limit bench/measure
	bench/run --datavault $(DATAVAULT) --limit build/release/bench/limit --measure build/release/bench/measure
	bench/w5 --datavault $(DATAVAULT) --measure build/release/bench/measure
	bench/snowflake --datavault $(DATAVAULT)

coverage:
	tools/coverage

soak:
	tools/soak

clean:
	rm -rf build
