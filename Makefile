# `make demo` and `make test` each set up everything they need in .venv.
# PIP_ARGS goes to pip, as in: make test PIP_ARGS="--index-url https://download.pytorch.org/whl/cpu --extra-index-url https://pypi.org/simple"
PYTHON ?= python3
PIP_ARGS ?=

.PHONY: demo test slow long
demo: .venv/ready
	.venv/bin/python -m llmsegnet_bundle demo

test: .venv/ready
	.venv/bin/python -m pytest

slow: .venv/ready
	.venv/bin/python -m pytest -m slow

long: .venv/ready
	.venv/bin/python tests/write_robustness.py

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet $(PIP_ARGS) --constraint constraints.txt --editable ".[dev]"
	touch $@
