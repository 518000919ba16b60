# `make run` and `make test` on a fresh machine: the environment from the lock, then the default run or the tests.

PYTHON ?= python3
VENV := .venv
STAMP := $(VENV)/.locked
EXTRA := $(VENV)/.benchmark

RUN ?= demo
CONFIGURATION ?=
SITE ?= site

.PHONY: run install test experiment benchmark docs dry-runs lint lock clean

run: $(STAMP)
	$(VENV)/bin/snakemake --cores all

# The environment alone.
install: $(STAMP)

test: $(STAMP)
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest --numprocesses auto --dist loadfile

# The experiment for people on this machine; answers are kept in answers/$(RUN). Another run than the default one:
# make experiment CONFIGURATION=mine/run.yaml RUN=mine
experiment: $(STAMP)
	$(VENV)/bin/snakemake --cores all experiment $(if $(CONFIGURATION),--configfile $(CONFIGURATION))
	$(VENV)/bin/python scripts/experiment_serve.py results/$(RUN)/experiment answers/$(RUN)

# Times, against the published procedure and plenoptic; it takes all cores for an hour or two.
benchmark: $(EXTRA)
	$(VENV)/bin/snakemake --cores all benchmark

# The documentation as a site, in $(SITE)/; whatever it names and is not there ends the build.
docs: $(STAMP)
	$(VENV)/bin/mkdocs build --strict --quiet --site-dir $(SITE)

dry-runs: $(STAMP)
	$(VENV)/bin/snakemake -n --quiet
	$(VENV)/bin/snakemake -n --quiet --configfile config/paper.yaml
	$(VENV)/bin/snakemake -n --quiet --workflow-profile workflow/profiles/slurm

lint: $(STAMP)
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/snakefmt --check Snakefile workflow
	$(VENV)/bin/snakemake --lint

lock: $(STAMP)
	$(VENV)/bin/python envs/lock.py

clean:
	rm -rf $(VENV)

# The stamp is made last, so that an interrupted installation starts again.
$(STAMP): envs/requirements.lock envs/check_python.py
	$(PYTHON) envs/check_python.py
	$(PYTHON) -m venv --clear $(VENV)
	$(VENV)/bin/python -m pip install --quiet --require-hashes --requirement envs/requirements.lock
	touch $(STAMP)

# What only the benchmark needs (its tests are skipped without it); versions of the rest are those of the lock above.
$(EXTRA): $(STAMP) envs/benchmark.lock
	$(VENV)/bin/python -m pip install --quiet --require-hashes --requirement envs/benchmark.lock
	touch $(EXTRA)
