# Two commands for a newcomer, each from nothing but Python 3.11+, git and make:
#   make demo   environment, then the whole path on the embedded data set (dvc repro)
#   make test   environment, then checks and tests
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: demo docs test test-heavy field fuzz fuzz-guided soak golden bench bench-features bench-memory bench-predict bench-tagging bench-stream
.PHONY: curve gains subset measure-scale simulate-scale probe paper check env lock licences sbom clean

demo: env
	$(BIN)/ssmi-cli demo

# Each process takes whole files, so that the fixtures of a file are made once; a process needs up to 3 GB.
TEST_PROCESSES ?= 2
test: check
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(BIN)/pytest -n $(TEST_PROCESSES) --dist loadfile -m "not heavy"

# Minutes of work on real data: needs SSMI_DATA.
test-heavy: env
	$(BIN)/pytest -m heavy

# What people reported of tools and data like these, on this project after `make demo`; CASES="heavy" for the slow ones.
CASES ?= not heavy
field: env
	SSMI_FIELD_PROJECT=$${SSMI_FIELD_PROJECT:-$(CURDIR)} OMP_NUM_THREADS=1 $(BIN)/pytest tests/field -m "$(CASES)"

# Broken and hostile files for everything that reads files, for so many seconds; another SEED makes other ones.
SECONDS_OF_FUZZ ?= 300
SEED ?= 1
fuzz: env
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(BIN)/python -m tests.fuzz --seconds $(SECONDS_OF_FUZZ) --seed $(SEED)

# The same led by which code an input reaches, for so many seconds a target; Linux on x86-64.
SECONDS_A_TARGET ?= 30
fuzz-guided: env
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(BIN)/python -m tests.fuzz.guided --seconds $(SECONDS_A_TARGET) --seed $(SEED)

# Sentences of text files through one predict and through one Python program with two threads: memory and answers; at most
# SECONDS_OF_SOAK each where given, and PLOT=FILE.svg draws memory. Linux.
SENTENCES ?= 100000
SECONDS_OF_SOAK ?=
PLOT ?=
soak: env
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(BIN)/python -m tests.soak --run $(RUN) --sentences $(SENTENCES) \
	  $(if $(SECONDS_OF_SOAK),--seconds $(SECONDS_OF_SOAK)) $(if $(PLOT),--plot $(PLOT)) $(FILES)

# Write the golden losses and the golden outputs of stages anew, after a change that is meant to change them.
golden: env
	OMP_NUM_THREADS=1 $(BIN)/pytest tests/test_golden.py tests/pipeline/stages/test_versions.py --write-golden

# Ratios of training steps; DATASET=resume with SSMI_DATA for the real one.
DATASET ?= sample
bench: env
	$(BIN)/python -m tests.bench.training.speed --dataset $(DATASET)

# What the feature stages cost and their inner loops' ratios, on a data set that is built in PROJECT; THAN=DIR beside
# another version of the program.
PROJECT ?= .
THAN ?=
bench-features: env
	$(BIN)/python -m tests.bench.stages.cpu --project $(PROJECT) --dataset $(DATASET) $(if $(THAN),--than $(THAN))

# Whether memory and time a line grow with a corpus: pieces of LINES, twice and eight times as many lines of TEXT, built
# like DATASET, which is built in PROJECT, in parts of PART sentences; and what two workers gain. Linux.
TEXT ?= README.md
LINES ?= 3000
PART ?= 512
bench-memory: env
	$(BIN)/python -m tests.bench.stages.memory --project $(PROJECT) --dataset $(DATASET) --text $(TEXT) --lines $(LINES) --part $(PART)

# Memory and waiting of train.stream, on a data set that is built in PROJECT and on ten times its train split.
bench-stream: env
	$(BIN)/python -m tests.bench.training.stream --project $(PROJECT) --dataset $(DATASET)

# What a build of any size takes, simulated from measured figures (docs/scale.md; BUILD="--sentences 100000000"); and those figures, measured on a CORPUS
# of some hundred thousand lines, like a data set that is built in PROJECT; the words of the data sets ALSO are counted too.
LIKE ?= sample
CORPUS ?= data/corpus
ALSO ?=
BUILD ?=
simulate-scale: env
	$(BIN)/python -m tests.bench.scale simulate $(BUILD)

measure-scale: env
	$(BIN)/python -m tests.bench.scale measure --project $(PROJECT) --corpus $(CORPUS) --like $(LIKE) $(if $(ALSO),--also $(ALSO))

# Tagging text against its encoder alone; on a run and text files of your own.
RUN ?= artifacts/train/sample
FILES ?= README.md
bench-predict: env
	$(BIN)/python -m tests.bench.prediction.against_encoder --run $(RUN) $(FILES)

# How fast several runs tag the same text, the first being what the others are told in; RUNS="RUN RUN ...".
RUNS ?= $(RUN)
bench-tagging: env
	$(BIN)/python -m tests.bench.prediction.between_runs --runs $(RUNS) -- $(FILES)

# What each reading of the selection tells a linear tagger, over folds of train and dev: on a data set that is built in
# PROJECT with -S shards.hidden=true; CHANGED="NAME=DIR ..." beside projects that have it with other features, and
# ONLY='"base + " paper' for some rows alone.
CHANGED ?=
ONLY ?=
probe: env
	$(BIN)/python -m tests.bench.probing.probe --project $(PROJECT) --dataset $(DATASET) $(if $(CHANGED),--changed $(CHANGED)) \
	  $(if $(ONLY),--only $(ONLY))

# The curve of F1 against encoder layers and speed, from docs/results/curve.csv. ADD="--add DATASET --counts FILE ...
# --speeds FILE" adds the rows of ablations over folds first.
ADD ?=
curve: env
	$(BIN)/python -m tests.bench.results.curve $(ADD)

# F1 of every row that was trained over folds of a DATASET, and its gain OVER one of them, from the counts that are kept
# in docs/results/counts; COUNTS=FILE takes up the rows of an ablation's counts.parquet first, RUNS_OF="ROW=RUN ..." the
# test scores of runs without folds.
OVER ?=
COUNTS ?=
RUNS_OF ?=
gains: env
	$(BIN)/python -m tests.bench.results.gains --dataset $(DATASET) $(if $(OVER),--over $(OVER)) $(if $(COUNTS),--add $(COUNTS)) \
	  $(foreach one,$(RUNS_OF),--run $(one))

# N sentences of a DATASET's train and DEV more as a data set of its own in FOLDER, the same ones everywhere; test whole.
N ?= 10000
DEV ?= 2000
FOLDER ?= data/msra10k
subset: env
	$(BIN)/python -m tests.bench.results.subset --dataset $(DATASET) --train $(N) --dev $(DEV) $(FOLDER)

# The paper's tables with an encoder of one's own (a hub name or a folder), on every data set of it that is found; hours
# on a GPU. What is finished is kept, so the same command goes on. PAPER takes more options: PAPER="--seeds 3".
ENCODER ?=
PAPER ?=
paper: env
	$(BIN)/ssmi-cli paper $(if $(ENCODER),--encoder $(ENCODER)) $(PAPER)

# The documentation as a site in site/: strict, and without a network.
docs: env
	NO_MKDOCS_2_WARNING=1 HF_HUB_OFFLINE=1 $(BIN)/mkdocs build --strict

check: env
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

env: .venv/installed

# Nothing but files whose digests the locks hold is installed, wheels but for three packages that have none; --no-deps,
# since the locks hold everything, which pip check confirms. Where pip is told of no torch for CPUs, it is the one of the
# package index, which on Linux needs CUDA's libraries. What is built here is not taken from pip's cache, where a wheel may
# lie that was built with other tools.
LOCKED := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes
LOCKS := $(wildcard requirements*.lock)
.venv/installed: pyproject.toml $(LOCKS)
	@echo "creating the environment in .venv (a few minutes: torch, transformers, dask, dvc ...)"
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11, 5) <= sys.version_info < (3, 14) and "Python 3.11.5 to 3.13 is needed, this is " + sys.version.split()[0])'
	$(PYTHON) -m venv .venv
	$(LOCKED) --only-binary :all: -r requirements.lock
	$(LOCKED) --no-cache-dir --no-build-isolation -r requirements-source.lock
	@$(LOCKED) --only-binary :all: -r requirements-cpu.lock 2>.venv/torch-cpu.log \
	  || { grep -qE "No matching distribution|ResolutionImpossible" .venv/torch-cpu.log || { cat .venv/torch-cpu.log >&2; exit 1; }; \
	  echo "pip is offered no torch for CPUs: taking that of the package index (on Linux with CUDA)"; \
	  $(LOCKED) --only-binary :all: -r requirements-cuda.lock; }
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --no-index -e .
	$(BIN)/python -m pip check
	@touch $@

# The lock files anew, after pyproject.toml or constraints.txt changed; needs the package index.
lock: env
	$(BIN)/python -m tests.supply.lock

# The licence of everything that is locked: docs/licences.md.
licences: env
	$(BIN)/python -m tests.supply.licences

# The parts of this environment as CycloneDX, the same bytes for the same environment.
sbom: env
	mkdir -p dist
	$(BIN)/cyclonedx-py environment --output-reproducible --pyproject pyproject.toml --of JSON -o dist/sbom.json $(BIN)/python

clean:
	rm -rf .venv
