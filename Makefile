# Two commands to start with; each needs only Python 3.11+, git and make:
#   make demo   create the environment, then run the whole pipeline on the embedded data set (dvc repro)
#   make test   create the environment, then run checks and tests
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: demo docs test test-heavy field fuzz fuzz-guided soak golden bench bench-features bench-memory bench-predict bench-tagging bench-stream
.PHONY: curve gains subset measure-scale simulate-scale probe paper check env lock licences sbom clean

demo: env
	$(BIN)/ssmi-cli demo

# Each process runs whole test files, so that the fixtures of a file are created once; a process needs up to 3 GB.
TEST_PROCESSES ?= 2
test: check
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(BIN)/pytest -n $(TEST_PROCESSES) --dist loadfile -m "not heavy"

# Tests on real data, which take minutes; needs SSMI_DATA.
test-heavy: env
	$(BIN)/pytest -m heavy

# Problems reported for similar tools and data, tested on this project after `make demo`; CASES="heavy" runs slow cases.
CASES ?= not heavy
field: env
	SSMI_FIELD_PROJECT=$${SSMI_FIELD_PROJECT:-$(CURDIR)} OMP_NUM_THREADS=1 $(BIN)/pytest tests/field -m "$(CASES)"

# Feed broken and hostile files to everything that reads files, for SECONDS_OF_FUZZ; another SEED gives other files.
SECONDS_OF_FUZZ ?= 300
SEED ?= 1
fuzz: env
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(BIN)/python -m tests.fuzz --seconds $(SECONDS_OF_FUZZ) --seed $(SEED)

# The same, guided by code coverage, for SECONDS_A_TARGET per target. Linux on x86-64 only.
SECONDS_A_TARGET ?= 30
fuzz-guided: env
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(BIN)/python -m tests.fuzz.guided --seconds $(SECONDS_A_TARGET) --seed $(SEED)

# Tag sentences of text files with one predict command and with one Python program of two threads, and check memory and
# answers; each runs for at most SECONDS_OF_SOAK if given, and PLOT=FILE.svg draws memory. Linux only.
SENTENCES ?= 100000
SECONDS_OF_SOAK ?=
PLOT ?=
soak: env
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(BIN)/python -m tests.soak --run $(RUN) --sentences $(SENTENCES) \
	  $(if $(SECONDS_OF_SOAK),--seconds $(SECONDS_OF_SOAK)) $(if $(PLOT),--plot $(PLOT)) $(FILES)

# Rewrite the golden losses and the golden outputs of the stages, after a change that is meant to change them.
golden: env
	OMP_NUM_THREADS=1 $(BIN)/pytest tests/test_golden.py tests/pipeline/stages/test_versions.py --write-golden

# Speed ratios of training steps; DATASET=resume with SSMI_DATA measures the real data set.
DATASET ?= sample
bench: env
	$(BIN)/python -m tests.bench.training.speed --dataset $(DATASET)

# Cost of the feature stages and ratios of their inner loops, on a data set that is built in PROJECT; THAN=DIR compares
# with another version of the program.
PROJECT ?= .
THAN ?=
bench-features: env
	$(BIN)/python -m tests.bench.stages.cpu --project $(PROJECT) --dataset $(DATASET) $(if $(THAN),--than $(THAN))

# Growth of memory and of time per line with a corpus: LINES, twice and eight times as many lines of TEXT are built like
# DATASET, which is built in PROJECT, in parts of PART sentences; also the gain of two workers. Linux only.
TEXT ?= README.md
LINES ?= 3000
PART ?= 512
bench-memory: env
	$(BIN)/python -m tests.bench.stages.memory --project $(PROJECT) --dataset $(DATASET) --text $(TEXT) --lines $(LINES) --part $(PART)

# Memory and waiting time of train.stream, on a data set that is built in PROJECT and on ten times its train split.
bench-stream: env
	$(BIN)/python -m tests.bench.training.stream --project $(PROJECT) --dataset $(DATASET)

# simulate-scale: cost of a build of any size, from measured figures (docs/scale.md; BUILD="--sentences 100000000").
# measure-scale: measure these figures on a CORPUS of several hundred thousand lines, built like the data set LIKE, which is
# built in PROJECT; the words of the data sets ALSO are counted too.
LIKE ?= sample
CORPUS ?= data/corpus
ALSO ?=
BUILD ?=
simulate-scale: env
	$(BIN)/python -m tests.bench.scale simulate $(BUILD)

measure-scale: env
	$(BIN)/python -m tests.bench.scale measure --project $(PROJECT) --corpus $(CORPUS) --like $(LIKE) $(if $(ALSO),--also $(ALSO))

# Cost of tagging relative to the encoder alone, on any run and text files.
RUN ?= artifacts/train/sample
FILES ?= README.md
bench-predict: env
	$(BIN)/python -m tests.bench.prediction.against_encoder --run $(RUN) $(FILES)

# Tagging speed of several runs on the same text, relative to the first run; RUNS="RUN RUN ...".
RUNS ?= $(RUN)
bench-tagging: env
	$(BIN)/python -m tests.bench.prediction.between_runs --runs $(RUNS) -- $(FILES)

# Value of each reading of the selection to a linear tagger, over folds of train and dev, on a data set that is built in
# PROJECT with -S shards.hidden=true; CHANGED="NAME=DIR ..." compares with projects that built it with other features, and
# ONLY='"base + " paper' restricts the rows.
CHANGED ?=
ONLY ?=
probe: env
	$(BIN)/python -m tests.bench.probing.probe --project $(PROJECT) --dataset $(DATASET) $(if $(CHANGED),--changed $(CHANGED)) \
	  $(if $(ONLY),--only $(ONLY))

# Draw F1 against encoder layers and speed, from docs/results/curve.csv. ADD="--add DATASET --counts FILE ...
# --speeds FILE" first adds the rows of ablations that FILE names (lines NETWORK-LAYERS,TIMES).
ADD ?=
curve: env
	$(BIN)/python -m tests.bench.results.curve $(ADD)

# F1 of every row that was trained over folds of a DATASET, and its gain OVER one of them, from the counts stored in
# docs/results/counts; COUNTS=FILE first adds the rows of an ablation's counts.parquet, RUNS_OF="ROW=RUN ..." the test
# scores of runs without folds.
OVER ?=
COUNTS ?=
RUNS_OF ?=
gains: env
	$(BIN)/python -m tests.bench.results.gains --dataset $(DATASET) $(if $(OVER),--over $(OVER)) $(if $(COUNTS),--add $(COUNTS)) \
	  $(foreach one,$(RUNS_OF),--run $(one))

# Write N sentences of a DATASET's train as train, DEV others as dev, and the whole test, as a separate data set in FOLDER;
# the choice is the same on every machine.
N ?= 10000
DEV ?= 2000
FOLDER ?= data/msra10k
subset: env
	$(BIN)/python -m tests.bench.results.subset --dataset $(DATASET) --train $(N) --dev $(DEV) $(FOLDER)

# The paper's tables with your own encoder (a hub name or a folder), on each of the paper's data sets that is found; takes
# hours on a GPU. Finished work is kept, so the same command resumes. PAPER takes more options: PAPER="--seeds 3".
ENCODER ?=
PAPER ?=
paper: env
	$(BIN)/ssmi-cli paper $(if $(ENCODER),--encoder $(ENCODER)) $(PAPER)

# Build the documentation as a site in site/, in strict mode and without network access.
docs: env
	NO_MKDOCS_2_WARNING=1 HF_HUB_OFFLINE=1 $(BIN)/mkdocs build --strict

check: env
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

env: .venv/installed

# Only files whose digests are in the lock files are installed: wheels, except for three packages that have none. --no-deps
# is safe because the lock files name every package, which pip check confirms. If pip finds no torch for CPUs, the torch of
# the package index is installed, which on Linux needs CUDA's libraries. Packages that are built here are not taken from
# pip's cache, which may contain a wheel that was built with other tools.
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

# Rewrite the lock files after a change of pyproject.toml or constraints.txt; needs the package index.
lock: env
	$(BIN)/python -m tests.supply.lock

# Write the licences of all locked packages to docs/licences.md.
licences: env
	$(BIN)/python -m tests.supply.licences

# Write the packages of this environment as CycloneDX; the same environment gives the same bytes.
sbom: env
	mkdir -p dist
	$(BIN)/cyclonedx-py environment --output-reproducible --pyproject pyproject.toml --of JSON -o dist/sbom.json $(BIN)/python

clean:
	rm -rf .venv
