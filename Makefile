# `make demo` and `make test` each set up everything they need in .venv; `make label-demo` in .venv-label, where MONAI
# Label lives, which cannot share an environment (docs/monai-label.md).
# PIP_ARGS goes to pip, as in: make test PIP_ARGS="--index-url https://download.pytorch.org/whl/cpu --extra-index-url https://pypi.org/simple"
PYTHON ?= python3
PIP_ARGS ?=
# a test file a core at a time
VENV = .venv
PYTEST = OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest --numprocesses auto --maxprocesses 8 --dist loadfile

.PHONY: demo test slow long lowest newest docs dist zoo label label-demo
demo: .venv/ready
	.venv/bin/python -m llmsegnet_bundle demo

label: .venv-label/ready

label-demo: .venv-label/ready
	.venv-label/bin/python -m llmsegnet_bundle label_demo

test: .venv/ready
	$(PYTEST)

# in the order of the files, as the file with the longest test has few others
slow: .venv/ready
	$(PYTEST) --no-loadscope-reorder -m slow --durations=25

long: .venv/ready
	.venv/bin/python tests/write_robustness.py

# the tests with the lowest and with the newest versions that pyproject.toml allows: gigabytes, as torch of PyPI has CUDA
lowest: RESOLUTION = lowest-direct
newest: RESOLUTION = highest
lowest newest:
	$(PYTHON) -m venv .venv/$@
	.venv/$@/bin/pip install --quiet uv
	.venv/$@/bin/uv pip install --quiet --python .venv/$@/bin/python --resolution $(RESOLUTION) --editable ".[dev]"
	.venv/$@/bin/python -m pytest

# the documentation site, in .site
docs: .venv/docs
	NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build

# wheel and sdist
dist: .venv/ready
	.venv/bin/python -c "from setuptools import build_meta as b; b.build_sdist('dist'); b.build_wheel('dist')"

# packed bundles under other tools; in an environment of its own, as MONAI imports mlflow wherever it finds it
zoo: VENV = .venv/zoo
zoo: .venv/zoo/ready
	$(PYTEST) -m zoo --durations=15

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet $(PIP_ARGS) --constraint constraints.txt --editable ".[dev]"
	touch $@

.venv/docs: .venv/ready
	.venv/bin/pip install --quiet $(PIP_ARGS) --constraint constraints.txt --editable ".[docs]"
	touch $@

.venv/zoo/ready: .venv/ready
	.venv/bin/python -m venv .venv/zoo
	cd .venv/zoo/lib/python3.*/site-packages && echo $(CURDIR)/.venv/lib/python3.*/site-packages > dependencies.pth
	.venv/zoo/bin/pip install --quiet $(PIP_ARGS) --constraint constraints.txt --editable ".[zoo]"
	touch $@

.venv-label/ready: requirements-label.txt constraints.txt
	$(PYTHON) -m venv .venv-label
	.venv-label/bin/pip install --quiet $(PIP_ARGS) --constraint constraints.txt --requirement requirements-label.txt
	.venv-label/bin/pip install --quiet $(PIP_ARGS) --no-deps monailabel==0.8.5 pydicom-seg==0.4.1 --editable .
	touch $@
