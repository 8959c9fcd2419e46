import os
import sys

from itk.support.base import LibraryLoader

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
