"""What MkDocs is told beside mkdocs.yml: pages that are made of something else, what is included, and equations."""

from pathlib import Path

import yaml
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from generate import equations, files, keys, library, rules, simulated, sources

ROOT = Path(__file__).resolve().parents[1]
SCHEMAS = ROOT / "workflow" / "schemas"
LIBRARY = "reference/library"


def _yaml(path: Path) -> dict:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def made_pages() -> dict[str, str]:
    """Path in ``docs/`` → Markdown, of every page that is made of something else."""
    workflow = rules.read(ROOT)
    every = library.modules(ROOT)
    places = library.places_of(every)
    of_files = sorted(SCHEMAS.glob("*.schema.yaml"), key=lambda path: (path.name != "config.schema.yaml", path.name))
    schemas = {path.name.split(".")[0]: _yaml(path) for path in of_files}
    configuration = (ROOT / "config" / "README.md").read_text(encoding="utf-8")
    descriptions = _yaml(ROOT / "scripts" / "metamers" / "descriptions.yaml")
    return {
        "reference/configuration.md": sources.relinked(configuration, "config/README.md", "reference/configuration.md"),
        "reference/keys.md": keys.page(schemas, _yaml(ROOT / "config" / "config.yaml")),
        "reference/files.md": files.page(_yaml(SCHEMAS / "files.yaml"), descriptions, rules.outputs(workflow)),
        "reference/rules.md": rules.page(workflow),
        f"{LIBRARY}/index.md": library.index(every),
        **{f"{LIBRARY}/{module.name}.md": library.page(module, places[module.name]) for module in every},
    }


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """The library's modules have places in the navigation, which mkdocs.yml does not list."""
    pages = {module.name: f"{LIBRARY}/{module.name}.md" for module in library.modules(ROOT)}
    (reference,) = (section["Reference"] for section in config.nav if "Reference" in section)
    (listed,) = (entry["Library"] for entry in reference if "Library" in entry)
    listed += [{name: path} for name, path in pages.items()]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Pages that are made of something else join those that are written."""
    for path, content in made_pages().items():
        files.append(File.generated(config, path, content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """What a page includes is put in."""
    included = sources.with_included(markdown, page.file.src_uri, ROOT)
    return simulated.with_table(included, ROOT / "resources" / "simulated")


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """The theme's search is a dialog without a name, which a screen reader could not tell."""
    return output.replace(
        'data-md-component="search" role="dialog"', 'data-md-component="search" role="dialog" aria-label="Search"'
    )


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Equations become MathML."""
    return equations.with_equations(html)
