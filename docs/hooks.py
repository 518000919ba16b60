"""Hooks of MkDocs, in addition to mkdocs.yml: generated pages, included text, and equations."""

from functools import cache
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from generate import equations, hostile, keys, library, notebook, rules, simulated, sources
from generate import files as variables
from metamers.config.read import read_schema
from metamers.plan.steps import configuration_schema, declared_files, default_configuration
from metamers.repository import import_from

ROOT = Path(__file__).resolve().parents[1]
SCHEMAS = ROOT / "workflow" / "schemas"
NOTEBOOK = "notebook"  # docs/notebook.ipynb, its page, and the folder of its pictures


def made_pages() -> dict[str, str]:
    """Return path in ``docs/`` → Markdown, for every generated page."""
    workflow = rules.read(ROOT)
    registries = sorted(path.name.split(".")[0] for path in SCHEMAS.glob("*.schema.yaml"))
    schemas = {"config": configuration_schema()} | {name: read_schema(name) for name in registries}
    configuration = (ROOT / "config" / "README.md").read_text(encoding="utf-8")
    studies = (ROOT / "studies" / "README.md").read_text(encoding="utf-8")
    shown = notebook.read(ROOT / "docs" / f"{NOTEBOOK}.ipynb")
    return {
        f"{NOTEBOOK}.md": notebook.page(shown, NOTEBOOK),
        "reference/configuration.md": sources.relinked(configuration, "config/README.md", "reference/configuration.md"),
        "studies.md": sources.relinked(studies, "studies/README.md", "studies.md"),
        "reference/hostile.md": hostile.page(hostile.rows(ROOT / "tests")),
        "reference/keys.md": keys.page(schemas, default_configuration()),
        "reference/rules.md": rules.page(workflow),
        **library.pages(ROOT),
    }


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add the modules of the library to the navigation, which mkdocs.yml does not list."""
    (reference,) = (section["Look up"] for section in config.nav if "Look up" in section)
    (listed,) = (entry["Library"] for entry in reference if "Library" in entry)
    listed += library.navigation(library.modules(ROOT))
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages, and the pictures of the notebook."""
    for path, content in made_pages().items():
        files.append(File.generated(config, path, content=content))
    for name, picture in notebook.pictures(notebook.read(ROOT / "docs" / f"{NOTEBOOK}.ipynb")).items():
        files.append(File.generated(config, f"{NOTEBOOK}/{name}", content=picture))
    return files


@cache
def _tables_of_files() -> str:
    import_from(ROOT)  # the package `studies` is not installed
    from studies import files as files_of_studies

    return variables.tables(declared_files(files_of_studies), rules.outputs(rules.read(ROOT)))


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Insert the text that a page includes, and the tables that are made from other files."""
    included = sources.with_included(markdown, page.file.src_uri, ROOT)
    included = simulated.with_table(included, ROOT / "resources" / "simulated")
    included = simulated.with_adaptive(included, ROOT / "resources" / "simulated")
    included = library.with_groups(included, ROOT)
    return variables.with_tables(included, _tables_of_files())


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Name the theme's search dialog, which has no name for screen readers."""
    return output.replace(
        'data-md-component="search" role="dialog"', 'data-md-component="search" role="dialog" aria-label="Search"'
    )


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Convert equations to MathML, and names of the library to links."""
    html = equations.with_equations(html)
    return library.with_links(html) if page.file.src_uri.startswith(library.PAGES) else html
