"""The documentation as a site: built strictly, whole, without a request to any host, readable by everybody."""

import ast
import re
import subprocess
import sys
import threading
from functools import partial
from html import unescape
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from generate import configuration, equations, files, keys, library, rules, sources
from metamers.config.read import read_schema
from metamers.modalities import MODALITIES
from metamers.plan.steps import configuration_schema, declared_files, default_configuration
from metamers.run.declared import RunFile
from metamers.synthesize.qualities import QUALITIES
from tests.pages import Page, broken_links

ROOT = Path(__file__).resolve().parents[2]
SIZES = {"phone": (390, 844), "tablet": (820, 1180), "desktop": (1440, 900)}
# Key whose own keys are names → what the page writes for them.
NAMED = {("synthesis", quality): "<modality>" for quality in QUALITIES}
NAMED |= {
    ("synthesis", "target", "normalized_error"): "<modality>",
    ("stimuli",): "<modality>",
}
SHOWN = (  # one page of each kind
    "index.html",
    "first_run.html",
    "notebook.html",
    "explanation/anova.html",
    "reference/commands.html",
    "reference/library/match.html",
)
LARGE = ("reference/keys.html", "reference/files.html", "reference/rules.html")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the site, as `make docs` builds it."""
    folder = tmp_path_factory.mktemp("site")
    stamp = tmp_path_factory.mktemp("installed") / "stamp"  # the environment is there, wherever it is
    stamp.touch()
    command = ["make", "docs", f"SITE={folder}", f"VENV={sys.prefix}", f"STAMP={stamp}"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return folder


@pytest.fixture(scope="module")
def parsed(site):
    """Path in the site → page, of all pages."""
    paths = sorted(site.rglob("*.html"))
    return {path.relative_to(site).as_posix(): Page(path.read_text(encoding="utf-8")) for path in paths}


# The whole site


@pytest.mark.slow
def test_every_link_leads_to_a_page_and_a_place_on_it(site, parsed):
    pages = {name: page for name, page in parsed.items() if name != "404.html"}  # whose addresses are a server's
    links = [link for page in pages.values() for link in page.links]
    assert len(pages) > 80
    assert {urlsplit(link).scheme for link in links} == {"", "https"}
    assert sum(not urlsplit(link).scheme for link in links) > 1000
    others = {path.relative_to(site).as_posix() for path in site.rglob("*") if path.is_file()}
    assert broken_links(pages, others) == []


@pytest.mark.slow
def test_nothing_is_loaded_from_elsewhere(parsed):
    for path, page in parsed.items():
        assert not [address for address in page.loaded if urlsplit(address).netloc], path
    assert any(page.loaded for page in parsed.values())


@pytest.mark.slow
def test_no_page_names_a_folder_of_the_machine_that_made_it(site):
    texts = [path for path in site.rglob("*") if path.suffix in (".html", ".json", ".js", ".xml", ".css")]
    assert not [path for path in texts if str(ROOT) in path.read_text(encoding="utf-8")]


def text_of(site: Path, page: str) -> str:
    return unescape(re.sub(r"<[^>]+>", "", (site / page).read_text(encoding="utf-8")))


def leaves(settings: dict, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Paths of the keys that have a value."""
    found = []
    for key, value in settings.items():
        place = (*path, NAMED.get(path, key))
        found += leaves(value, place) if isinstance(value, dict) else [place]
    return found


@pytest.mark.slow
def test_every_key_of_the_default_configuration_has_its_row_and_default(site):
    text = (site / "reference/keys.html").read_text(encoding="utf-8").split('<h2 id="models">')[0]
    defaults = {}
    for section in re.split(r"<h[23] id=\"config-?", text)[1:]:
        for key, default in re.findall(r"<td><code>(.*?)</code></td>\n<td>.*?</td>\n<td>(.*?)</td>", section):
            place = [section.split('"', 1)[0], unescape(key)]
            defaults[".".join(filter(None, place))] = unescape(re.sub("<[^>]*>", "", default))

    def has_default(path):
        """Whether the key has a row, or a row for all modalities that names its own."""
        own = [modality for modality in MODALITIES if modality in path]
        general = ".".join("<modality>" if part in own else part for part in path)
        return bool(defaults.get(".".join(path))) or any(f"{one}: " in defaults.get(general, "") for one in own)

    assert not [path for path in leaves(default_configuration()) if not has_default(path)]
    assert defaults["synthesis.quick.<modality>.steps"] == "vision: 64, audio: 80"
    assert defaults["null.pairs"] == "1000"


@pytest.mark.parametrize(
    "name", [path.name.split(".")[0] for path in (ROOT / "workflow/schemas").glob("*.schema.yaml")]
)
def test_every_key_that_has_a_value_is_explained(name):
    schema = configuration_schema() if name == "config" else read_schema(name)
    assert not [key.path for key in keys.keys(schema, schema) if not key.meaning and "mapping" not in key.kind]


@pytest.mark.slow
def test_every_variable_of_every_file_is_there(site):
    text = text_of(site, "reference/files.html")
    for path, file in declared_files().items():
        after = text.split(f"\n{path}¶", 1)[1]
        for variable in file.dimensions:
            name = variable.removesuffix("?")
            assert name in after, (path, variable)
            assert file.described[name][0] in after


@pytest.mark.slow
def test_every_rule_is_there_with_its_script(site):
    text = text_of(site, "reference/rules.html")
    workflow = rules.read(ROOT)
    folders = (ROOT / "scripts", ROOT / "studies" / "scripts")
    scripts = {path.relative_to(ROOT).as_posix() for folder in folders for path in folder.rglob("*.py")}
    assert scripts - {"scripts/experiment/serve.py"} == set(re.findall(r"runs ((?:studies/)?scripts/[\w/]+\.py)", text))
    assert not [rule.name for step in workflow.steps for rule in step.rules if f"\n{rule.name}¶" not in text]
    assert not re.search(r"<[A-Z_]+>/", text), "a constant that was not followed"


def public_names(module: str) -> list[str]:
    """Public functions and classes of a module that have a docstring."""
    path = ROOT / library.LIBRARY / Path(*module.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    body = ast.parse(path.read_text(encoding="utf-8")).body
    defined = [node for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    return [node.name for node in defined if not node.name.startswith("_") and ast.get_docstring(node)]


@pytest.mark.slow
def test_every_public_function_is_there(parsed):
    every = [name for of_group in library.modules(ROOT).values() for name in of_group]
    assert len(every) > 80
    for module in every:
        names = parsed[f"reference/library/{module}.html"].ids
        assert f"metamers.{module}" in names
        assert not [name for name in public_names(module) if f"metamers.{module}.{name}" not in names], module


@pytest.mark.slow
def test_a_name_of_the_library_in_a_docstring_leads_to_its_place(parsed):
    links = parsed["reference/library/synthesize.metamers.html"].links
    assert any("#metamers." in link for link in links)


def test_a_module_without_a_group_is_named(tmp_path):
    package = tmp_path / library.LIBRARY
    package.mkdir(parents=True)
    (package / "__init__.py").write_text('"""All.\n\nscience\n    ``match``.\n"""\n')
    (package / "match.py").write_text('"""Match. More."""\n')
    assert library.modules(tmp_path) == {"science": {"match": "Match. More."}}
    assert library.with_groups(library.GROUPS_MARK, tmp_path).endswith("\n| science | `match`. |")
    (package / "other.py").write_text('"""Other."""\n')
    with pytest.raises(ValueError, match="'other'"):
        library.modules(tmp_path)


def test_every_equation_is_understood():
    for path in sorted((ROOT / "docs").rglob("*.md")):
        for tex in re.findall(r"^\$\$(.+?)\$\$", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE):
            assert "<math" in equations.mathml(tex, block=True), (path, tex)


def test_a_link_that_leads_nowhere_is_found():
    links = ["b.html#x", "sub/", "#here", "a.css", "b.html#model=1", "https://x.org/", "none.html", "b.html#y", "#z"]
    page = Page(f"<p id=here>{''.join(f'<a href={link}></a>' for link in links)}")
    pages = {"a.html": page, "b.html": Page("<p id=x>"), "sub/index.html": Page("<a href=../a.html#here></a>")}
    assert broken_links(pages, ["a.css"]) == [("a.html", link) for link in links[6:]]


@pytest.mark.slow
def test_equations_are_mathml_and_none_is_left_as_tex(site):
    equations_written = 0
    for path in sorted((ROOT / "docs" / "explanation").glob("*.md")):
        written = len(re.findall(r"\$\$.+?\$\$", path.read_text(encoding="utf-8"), flags=re.DOTALL))
        page = (site / "explanation" / f"{path.stem}.html").read_text(encoding="utf-8")
        assert page.count('class="equation"') == written, path
        assert "arithmatex" not in page
        equations_written += written
    assert equations_written > 20


# How pages are made


def test_a_schema_s_keys_have_types_defaults_and_meanings():
    schema = {
        "type": "object",
        "properties": {
            "steps": {"type": "integer", "minimum": 1, "description": "how many | of <these>"},
            "mode": {"enum": ["a", "b"]},
            "each": {"patternProperties": {"^(vision|audio)$": {"$ref": "#/$defs/one"}}, "type": "object"},
            "models": {
                "type": "array",
                "items": {"anyOf": [{"type": "string"}, {"type": "object", "properties": {"m": {"type": "null"}}}]},
            },
        },
        "$defs": {
            "one": {"type": "object", "properties": {"rate": {"type": ["number", "null"], "exclusiveMaximum": 1}}}
        },
    }
    default = {"steps": 3, "mode": None, "each": {"vision": {"rate": 0.5}, "audio": {"rate": None}}, "models": ["p"]}
    found = {key.path: key for key in keys.keys(schema, schema, default)}
    assert found["steps"].kind.endswith(" ≥ 1")
    assert found["steps"].default == "3"
    assert found["steps"].meaning == "how many | of <these>"
    assert re.fullmatch(r"`a` \w+ `b`", found["mode"].kind)
    assert found["mode"].default == "null"
    assert re.search(r" < 1 .*null", found["each.<modality>.rate"].kind)
    assert found["each.<modality>.rate"].default == "vision: 0.5, audio: null"
    assert found["models"].default == "[p]"
    assert found["models[].m"].kind == "null"
    row = r"^\| `steps` \| [^|]*≥ 1 \| `3` \| how many &#124; of &lt;these> \|$"
    assert re.search(row, keys.table(list(found.values())), re.MULTILINE)
    assert "### `each` { #x-each }" in keys.tables(list(found.values()), "x")


def test_a_rule_s_text_is_read_with_its_constants():
    workflow = rules.Workflow(
        targets=[],
        steps=[],
        constants={"RESULTS": rules.ast.parse("f\"results/{config['run']}\"", mode="eval").body},
        functions={"metamers_of": "All metamers of a model: every stage. More."},
    )
    workflow.constants = {name: [value] for name, value in workflow.constants.items()}
    text = 'rule one:\n    input:\n        f"{RESULTS}/a/{{b}}.nc",\n        "results/<run>/f/{g}.nc",\n        c=lambda wildcards: metamers_of(wildcards.m),\n        d=rules.two.output.e,\n    output:\n        report(f"{RESULTS}/x.html", caption="y"),\n'
    (rule,) = rules.rules_of(text)
    assert rule.name == "one"
    *paths, of_function, of_rule = rules.listed(rule.directives["input"], workflow).splitlines()
    assert paths == ["- `results/<run>/a/<b>.nc`", "- `results/<run>/f/<g>.nc`"]
    assert of_function == "- *c*: all metamers of a model: every stage"
    assert re.fullmatch(r"- \*d\*: .*\[`two`\]\(#two\).*\be", of_rule)
    assert rules.listed(rule.directives["output"], workflow) == "- `results/<run>/x.html`"
    assert [rules.has_wildcards(rule.directives[key]) for key in ("input", "output")] == [True, False]


def test_what_is_included_brings_its_links_along():
    text = "See [a](docs/a.md#b), [keys](config/README.md), [licence](LICENSE), [code](src/metamers/null/acceptance.py), [out](https://x.org/) and [here](#c)."
    found = sources.relinked(text, "README.md", "explanation/x.md")
    assert found == (
        "See [a](../a.md#b), [keys](../reference/configuration.md), licence, "
        "[code](../reference/library/null.acceptance.md), [out](https://x.org/) and [here](#c)."
    )
    assert sources.relinked("![seen](docs/pictures/a.png)", "README.md", "index.md") == "![seen](pictures/a.png)"


def test_a_section_that_is_gone_is_said():
    assert sources.section("# T\n\nopening\n\n## One\n\nfirst\n", None, "f") == "opening"
    assert sources.section("# T\n\nopening\n\n## One\n\nfirst\n", "One", "f") == "first"
    with pytest.raises(ValueError, match=r"README\.md: .*'Two'.* One"):
        sources.section("# T\n\n## One\n\nfirst\n", "Two", "README.md")


def test_an_equation_that_is_not_understood_is_named():
    assert "<mfrac><mi>a</mi><mi>b</mi></mfrac>" in equations.mathml(r"\frac{a}{b}", block=False)
    # An index stands beside an accented letter, not below it.
    assert '<msub><mover accent="true"><mi>m</mi>' in equations.mathml(r"{\hat{m}}_k", block=False)
    with pytest.raises(ValueError, match="notthere"):
        equations.mathml(r"\notthere", block=True)


def test_a_file_names_the_rule_that_makes_it():
    file = RunFile("a/<x>.nc", {"signal, t": "v?", "t": "w"}, meanings={"v": ("value", "s"), "w": ("width", "m")})
    page = files.tables({file.path: file}, {"a/<model>.nc": "make"})
    assert "[`make`](rules.md#make)" in page
    assert re.search(r"^\| `v` [^|]+ \| \*signal\*, t \| s \| value \|$", page, re.MULTILINE)  # marked as optional
    assert "| `w` | t | m | width |" in page


# In a browser


@pytest.fixture(scope="module")
def served(site):
    """Address of the site on a server of this machine."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("localhost", 0), partial(Quiet, directory=site)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{server.server_port}"
        server.shutdown()


@pytest.fixture
def visit(browser, site):
    """(path in the site, size, where it is) → the page; at the end, that nothing went wrong and nobody else was asked."""
    requests, complaints, contexts = [], [], []

    def opened(path: str, size: str = "desktop", place: str = site.as_uri()):
        if not contexts:
            contexts.append(browser.new_context())
        page = contexts[0].new_page()
        page.set_viewport_size(dict(zip(("width", "height"), SIZES[size], strict=True)))
        page.on("request", lambda request: requests.append(request.url))
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{place}/{path}")
        return page

    yield opened
    contexts[0].close()
    assert requests
    assert not [address for address in requests if urlsplit(address).hostname not in (None, "localhost")]
    assert not complaints


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
def test_pages_fit_any_width(visit, size):
    for path in (*SHOWN, *LARGE):
        page = visit(path, size)
        assert page.title().endswith("metamers")
        widths = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert widths[0] <= widths[1], path
        page.close()


@pytest.mark.slow
@pytest.mark.parametrize("from_server", [False, True])
def test_search_works_from_a_file_and_from_a_server(visit, site, served, from_server):
    page = visit("index.html", place=served if from_server else site.as_uri())
    page.keyboard.press("/")
    page.keyboard.type("noise ceiling")
    found = page.locator(".md-search-result__item a[href*='explanation/humans_vs_models']").first
    found.wait_for()
    found.click()
    page.wait_for_url("**/explanation/humans_vs_models.html*")


@pytest.mark.slow
def test_equations_are_drawn(visit):
    page = visit("explanation/predicted_human.html")
    boxes = [equation.bounding_box() for equation in page.locator("math[display=block]").all()]
    assert len(boxes) == (ROOT / "docs" / "explanation" / "predicted_human.md").read_text().count("$$") / 2 > 0
    assert all(box["height"] > 15 for box in boxes)
    # A fraction is drawn as one, not as its parts in a line.
    fraction = page.locator("mfrac").first
    above, below = (fraction.locator(f":scope > :nth-child({n})").bounding_box() for n in (1, 2))
    assert above["y"] + above["height"] <= below["y"] + 1


@pytest.mark.slow
def test_no_page_keeps_anybody_out(visit):
    from axe_playwright_python.sync_playwright import Axe

    for path in SHOWN:
        page = visit(path)
        for scheme in ("default", "slate"):  # light and dark
            page.evaluate("scheme => document.body.setAttribute('data-md-color-scheme', scheme)", scheme)
            page.wait_for_timeout(300)  # until colours have changed
            found = Axe().run(page, options={"preload": False, "resultTypes": ["violations"]}).response["violations"]
            shown = [(one["id"], [node["html"][:200] for node in one["nodes"][:3]]) for one in found]
            assert not shown, (path, scheme)
        page.close()


def test_the_keys_of_steps_are_in_the_readme_and_the_schema_for_editors_as_their_settings_say():
    text = configuration.PAGE.read_text(encoding="utf-8")
    assert configuration.with_table(text) == text
    assert configuration.SCHEMA.read_text(encoding="utf-8") == configuration.schema()
    assert re.search(r"^\| `null\.pairs` \|.*\b1–10000000\b", text, re.MULTILINE)
