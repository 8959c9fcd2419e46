"""One version, told in several places."""

import json
import tomllib

import pytest
from bundle_runs import BUNDLES, ROOT

import llmsegnet_bundle
from llmsegnet_bundle.documents import read_mapping


def test_package_and_citation_tell_one_version():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == llmsegnet_bundle.__version__
    assert read_mapping(ROOT / "CITATION.cff")["version"] == project["version"]


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda bundle: bundle.name)
def test_bundle_asks_for_the_version_that_wrote_it(bundle):
    metadata = json.loads((bundle / "configs/metadata.json").read_text(encoding="utf-8"))
    assert metadata["required_packages_version"]["llmsegnet-bundle"] == llmsegnet_bundle.__version__
