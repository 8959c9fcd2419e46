import os
import sys

import itk
import numpy as np
import pytest
from itk.support.base import LibraryLoader

from llmsegnet_bundle.scans import read_scan
from llmsegnet_bundle.scans.itk_files import import_itk


def test_itk_loads_its_parts_in_the_working_directory_of_the_program(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert import_itk() is sys.modules["itk"]
    loader, path = LibraryLoader(), sys.path
    loader.setup()
    try:
        assert os.getcwd() == str(tmp_path)  # or threads that read relative paths find nothing
    finally:
        loader.cleanup()
    assert sys.path is path


@pytest.mark.parametrize(
    ("ending", "number", "key"),
    [
        (".nrrd", b"(0.8,0,0)", "space directions"),
        (".nrrd", b"(3,4,5)", "space origin"),
        (".mha", b"3 4 5", "Offset"),
        (".mha", b"0.8 1 1", "ElementSpacing"),
    ],
)
@pytest.mark.parametrize("wrong", [b"nan", b"-Inf"])
def test_geometry_that_is_no_number_is_refused(ending, number, key, wrong, tmp_path):
    image = itk.image_from_array(np.ones((4, 5, 6), np.uint8))
    image.SetSpacing((0.8, 1, 1))
    image.SetOrigin((3, 4, 5))
    file = tmp_path / f"a{ending}"
    itk.imwrite(image, str(file))
    read_scan(file)
    first = next(part for part in (b"0.8", b"3") if part in number)
    told = file.read_bytes()
    place = told.index(first, told.index(key.encode()))
    file.write_bytes(told[:place] + wrong + told[place + len(first) :])
    with pytest.raises(ValueError, match=rf"a\{ending} (has NaN or infinite numbers in its {key}|cannot be read)"):
        read_scan(file)
