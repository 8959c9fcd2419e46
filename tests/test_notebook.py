"""The notebook runs from top to bottom: it segments a phantom with the shipped weights and shows it."""

import base64
import io
import json
import re
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "examples/segment.ipynb"


def test_notebook_is_stored_without_what_it_gave():
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_notebook_segments_and_shows_a_phantom(tmp_path, monkeypatch):
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    monkeypatch.setenv("PYTHONPATH", str(ROOT), prepend=":")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    (picture,) = [output["data"]["image/png"] for output in outputs if "image/png" in output.get("data", {})]
    with Image.open(io.BytesIO(base64.b64decode(picture))) as planes:
        assert planes.size == (1200, 450)
    page = (tmp_path / "segmented/view.html").read_text(encoding="utf-8")
    layers = json.loads(re.search(r"const cases = (\[.*\]);", page)[1])[0]["layers"]
    assert [layer["name"] for layer in layers] == ["mask", "label"]
    told = "".join(output["text"] for output in outputs if output.get("name") == "stdout")
    assert float(re.search(r"Dice (0\.\d+)", told)[1]) > 0.5
