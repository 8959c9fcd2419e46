"""What mkdocs needs for pages that lie elsewhere in the repository: they join the site, and links find each other."""

import re
from pathlib import Path
from posixpath import dirname, join, normpath, relpath

from mkdocs.structure.files import File

ROOT = Path(__file__).parents[2]
PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
}
for bundle in ("left_atrium", "pancreas_ct", "brats19"):
    PAGES |= {f"bundles/{bundle}/docs/{name}.md": f"bundles/{bundle}/{name}.md" for name in ("README", "settings")}
LINK = re.compile(r"\[([^\]]+)\]\(([^)#\s:]+)(#[^)\s]*)?\)")


def on_files(files, config):
    """Add the pages of `PAGES`, read where they lie."""
    for place, page in PAGES.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / place)))
    return files


def on_page_markdown(markdown, page, config, files):
    """Let relative links, right in the repository, be right on the site; what is no page keeps its text alone."""
    here = page.file.src_uri
    place = {page: place for place, page in PAGES.items()}.get(here, f"docs/{here}")

    def moved(link):
        text, path, anchor = link[1], normpath(join(dirname(place), link[2])), link[3] or ""
        target = PAGES.get(path, path.removeprefix("docs/"))
        if files.get_file_from_path(target) is not None:
            return f"[{text}]({relpath(target, dirname(here) or '.')}{anchor})"
        return text if (ROOT / path).exists() else link[0]  # mkdocs tells of one that leads nowhere

    return LINK.sub(moved, markdown)
