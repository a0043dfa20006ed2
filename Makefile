# make book   execute the notebooks and build the book into _build/html/index.html
# make test   lint, check walls and types, run the tests
# make sweep  SWEEP=workflow/sweeps/digits.yaml   execute notebooks with many parameters, collect their results
# make bench  measure speed against plain loops and a peer
# Each sets itself up in .venv; nothing but Python 3.11 or newer, make and a network is needed.
# PROFILE=slurm runs on a cluster; FLAGS=--dry-run says what would run and why; book with SWEEP= gets the sweep's page.

VENV := .venv
PROFILE := local
export SWEEP
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.PHONY: book sweep test bench clean

book: $(VENV)/.installed
	python workflow/scripts/drive.py --workflow-profile workflow/profiles/$(PROFILE) $(FLAGS)

sweep: $(VENV)/.installed
	@test -n "$(SWEEP)" || { echo "which one? make sweep SWEEP=workflow/sweeps/digits.yaml"; exit 1; }
	python workflow/scripts/drive.py sweep --workflow-profile workflow/profiles/$(PROFILE) $(FLAGS)

# One thread for each process: torch's threads on shared cores wait for each other.
test: $(VENV)/.installed
	ruff check
	ruff format --check
	lint-imports --no-cache
	mypy
	OMP_NUM_THREADS=1 python -m pytest --numprocesses=auto --maxprocesses=4 --cov --cov-report=term:skip-covered

bench: $(VENV)/.installed
	pip install --quiet --disable-pip-version-check -r benchmarks/requirements.txt
	python -m benchmarks.training
	python -m benchmarks.spaces

# The stamp comes last, so an interrupted installation starts again.
$(VENV)/.installed: requirements.txt constraints.txt pyproject.toml
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed"; exit 1; }
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -c constraints.txt -r requirements.txt
	touch $@

clean:
	rm -rf _build book/chapters .snakemake
