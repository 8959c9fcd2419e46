"""What runs in a fork: a few tests against a copy of the package."""

import sys
from pathlib import Path
from typing import Any

import pytest


def check(work: dict[str, Any]) -> None:
    """Exit with the status of pytest.

    Args:
        work: "assemble", whether the copy's configs are made anew first; "tests", files; "keyword" for `-k`.
    """
    sys.path.insert(0, str(Path.cwd()))
    if work["assemble"]:
        from llmsegnet_bundle.bundles import assemble

        for bundle in sorted(Path("bundles").iterdir()):
            assemble(bundle)
    files = [f"tests/{file}" for file in work["tests"]]
    quiet = ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # of plugins that the warm process has imported
    raise SystemExit(pytest.main(["-x", "-p", "no:cacheprovider", "-rfE", *quiet, "-k", work["keyword"], *files]))
