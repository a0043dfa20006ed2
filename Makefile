# make install   only what the others need, into .venv
# make book   execute the notebooks and build the book into _build/html/index.html
# make pdf    the same, printed into _build/book.pdf; needs Chromium
# make test   lint, check walls and types, run the tests
# make coverage   run the tests and print which lines none of them reaches; takes half as long again
# make sweep  SWEEP=workflow/sweeps/digits.yaml   execute notebooks with many parameters, collect their results
# make lab    open JupyterLab on lab/, a copy of the notebooks; FLAGS=--no-browser and others are JupyterLab's
# make bench  measure speed against plain loops and a peer
# Each sets itself up in .venv; nothing but Python 3.11 or newer, make and a network is needed.
# PROFILE=slurm runs on a cluster; FLAGS=--dry-run says what would run and why; book with SWEEP= gets the sweep's page.

VENV := .venv
STAMP := $(VENV)/.installed
PROFILE := local
# What a user names reaches the shell in variables: neither make nor the shell finds commands in it.
override SWEEP := $(value SWEEP)
override PROFILE := $(value PROFILE)
override FLAGS := $(value FLAGS)
export SWEEP PROFILE FLAGS
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.PHONY: install book pdf sweep test coverage lab bench clean

install: $(STAMP)

book: $(STAMP)
	python workflow/scripts/drive.py --workflow-profile "workflow/profiles/$$PROFILE" $$FLAGS

# All pages in one, at the root of its folder: from there it finds its figures. Chromium has no sandbox for root.
pdf: book
	jupyter-book build . --builder singlehtml --quiet
	cp _build/singlehtml/book/index.html _build/singlehtml/book.html
	$$(command -v chromium || command -v chromium-browser || command -v google-chrome) --headless \
	  $$(test "$$(id -u)" != 0 || echo --no-sandbox) --no-pdf-header-footer \
	  --print-to-pdf=_build/book.pdf "file://$$PWD/_build/singlehtml/book.html"

sweep: $(STAMP)
	@test -n "$$SWEEP" || { echo "which one? make sweep SWEEP=workflow/sweeps/digits.yaml"; exit 1; }
	python workflow/scripts/drive.py sweep --workflow-profile "workflow/profiles/$$PROFILE" $$FLAGS

# One thread for each process: torch's threads on shared cores wait for each other.
PYTEST := OMP_NUM_THREADS=1 python -m pytest --numprocesses=auto --maxprocesses=4 --dist=worksteal

test: $(STAMP)
	ruff check
	ruff format --check
	lint-imports --no-cache
	mypy
	$(PYTEST)

coverage: $(STAMP)
	$(PYTEST) --cov --cov-report=term:skip-covered

# A copy: what is tried in a notebook changes no chapter of the book. What one has changed there stays.
lab: $(STAMP)
	pip install --quiet --disable-pip-version-check -c constraints.txt "jupyterlab>=4,<5"
	mkdir -p lab
	for notebook in notebooks/*.ipynb; do test -e "lab/$${notebook##*/}" || cp "$$notebook" lab; done
	jupyter lab --notebook-dir=lab $$FLAGS

bench: $(STAMP)
	pip install --quiet --disable-pip-version-check -r benchmarks/requirements.txt
	python -m benchmarks.training
	python -m benchmarks.spaces

# The stamp names the folder that the installation works in: a clone that was copied or moved makes its own. It comes
# last, so an interrupted installation starts again.
ifneq ($(shell test "`cat $(STAMP) 2>/dev/null`" = "`pwd -P`" || echo elsewhere),)
.PHONY: $(STAMP)
endif
$(STAMP): requirements.txt constraints.txt pyproject.toml
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed"; exit 1; }
	python3 -m venv --clear $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -r requirements.txt
	pwd -P > $@

clean:
	rm -rf _build book/chapters .snakemake
