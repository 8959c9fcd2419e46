# `make demo` and `make test` each set up everything they need in .venv; `make label-demo` in .venv-label, where MONAI
# Label lives, which cannot share an environment (docs/monai-label.md).
# PIP_ARGS goes to pip, as in: make test PIP_ARGS="--index-url https://download.pytorch.org/whl/cpu --extra-index-url https://pypi.org/simple"
PYTHON ?= python3
PIP_ARGS ?=

.PHONY: demo test slow label label-demo
demo: .venv/ready
	.venv/bin/python -m llmsegnet_bundle demo

label: .venv-label/ready

label-demo: .venv-label/ready
	.venv-label/bin/python -m llmsegnet_bundle label_demo

test: .venv/ready
	.venv/bin/python -m pytest

slow: .venv/ready
	.venv/bin/python -m pytest -m slow

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet $(PIP_ARGS) --constraint constraints.txt --editable ".[dev]"
	touch $@

.venv-label/ready: requirements-label.txt constraints.txt
	$(PYTHON) -m venv .venv-label
	.venv-label/bin/pip install --quiet $(PIP_ARGS) --constraint constraints.txt --requirement requirements-label.txt
	.venv-label/bin/pip install --quiet $(PIP_ARGS) --no-deps monailabel==0.8.5 pydicom-seg==0.4.1 --editable .
	touch $@
