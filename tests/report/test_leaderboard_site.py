"""The site of a shared leaderboard: the numbers of its entries, whole, offline, readable at any width."""

import json
import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree

import numpy as np
import pytest

from metamers import __main__ as command
from metamers.leaderboard.check_entry import read_entries
from metamers.leaderboard.entry import file_name
from metamers.leaderboard.files import LEADERBOARD
from metamers.leaderboard.own_models import OWN_PARTICIPANTS
from metamers.leaderboard.ranking import entries_of
from metamers.report import leaderboard_site
from metamers.report.figures import svg
from metamers.run import files
from metamers.run.hashes import sha256_of
from tests.leaderboard.entries import CREATOR, board, entry, published, write
from tests.leaderboard.installed import call_with_installed

VOID = {"meta", "link", "img", "br", "wbr", "input", "hr", "path"}
REPOSITORY = "https://host.example/a?b=1&c"
HOSTILE = "<script>alert('x')</script>"


class Page(HTMLParser):
    """What a page refers to, and whether its elements are closed in order."""

    def __init__(self, text: str):
        super().__init__()
        self.links, self.loaded, self.open, self.ids, self.cells, self.faults = [], [], [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        if given.get("id"):
            self.ids.append(given["id"])
        if tag == "a":
            self.links.append(given["href"])
        elif tag == "link" or given.get("src"):
            self.loaded.append(given.get("href") or given.get("src"))
        if any(name.startswith("on") for name in given):
            self.faults.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag):
        if tag in VOID:
            return
        if not self.open or self.open.pop() != tag:
            self.faults.append(tag)


@pytest.fixture(scope="module")
def entries(tmp_path_factory):
    """The folder of a leaderboard with three entries."""
    folder = tmp_path_factory.mktemp("repository") / "entries"
    for given in (("ear",), ("eye",), ("eye", OWN_PARTICIPANTS)):
        write(entry(*given), folder)
    return folder


@pytest.fixture(scope="module")
def site(entries, tmp_path_factory):
    """The site, as `metamers leaderboard-site` makes it where only the packages of the file for GitHub are installed."""
    folder = tmp_path_factory.mktemp("made")
    about = {"title": "", "source": "", "step": "test", "run": "x", "seed": 0, "inputs": []}
    files.save(board(), folder / "published.nc", declared=LEADERBOARD, **about)
    checked = ("check-entry", entries / file_name(entry("ear")), "--among", entries)
    made = (
        "leaderboard-site",
        entries,
        folder / "site",
        "--board",
        folder / "published.nc",
        "--repository",
        REPOSITORY,
    )
    call_with_installed(checked, made)
    return folder / "site"


@pytest.fixture
def without_figures(monkeypatch):
    monkeypatch.setattr(leaderboard_site, "entry_figure", lambda row, others: row)
    monkeypatch.setattr(leaderboard_site, "svg", lambda figure: b"")
    monkeypatch.setattr("metamers.leaderboard.entry.read_published", published)


@pytest.fixture(scope="module")
def parsed(site):
    return {path: Page(path.read_text(encoding="utf-8")) for path in sorted(site.glob("*.html"))}


def text_of(path: Path) -> str:
    """The words of a page on one line."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", path.read_text(encoding="utf-8").split("<main")[1])).split())


def test_every_model_and_entry_has_a_page_and_a_figure(site, parsed):
    assert len(parsed) == 2 + 30 + 18 + 3
    names = {path.stem for path in parsed} - {"index", "add"}
    figures = {path.stem: path for path in (site / "figures").iterdir()}
    assert set(figures) == names
    for path in figures.values():
        ElementTree.parse(path)


def test_a_submitted_entry_says_on_its_own_page_what_is_not_verified(site, entries, root):
    macros = (root / "src/metamers/report/site/board.html.j2").read_text(encoding="utf-8")
    limit = " ".join(re.search(r"unverified\(\) %}(.*?){% endmacro", macros, re.DOTALL)[1].split())
    submitted = {path.stem for path in entries.glob("*.nc")}
    assert {path.stem for path in site.glob("*.html") if limit in text_of(path)} == {"index", *submitted}


def test_every_link_leads_to_a_file_and_nothing_is_loaded_from_elsewhere(site, parsed):
    outside = set()
    for path, page in parsed.items():
        for address in [*page.links, *page.loaded]:
            parts = urlsplit(address)
            if parts.scheme in ("http", "https"):
                assert address in page.links, f"{path} loads {address}"
                outside.add(address)
            elif not address.startswith("data:"):
                assert (path.parent / unquote(parts.path)).is_file() if parts.path else parts.fragment in page.ids, (
                    address
                )
    assert outside == {REPOSITORY, CREATOR["url"]}
    assets = "".join(path.read_text() for path in (site / "assets").iterdir())
    assert not re.search(r"url\(|@import|fetch\(|https?:", assets)


def test_elements_are_closed_in_order_and_have_no_handlers(parsed):
    for path, page in parsed.items():
        assert not page.faults, path
        assert not page.open, path
        assert len(set(page.ids)) == len(page.ids), path


def test_the_table_has_the_numbers_of_the_leaderboard_sorted_by_area(site):
    text = (site / "index.html").read_text(encoding="utf-8")
    rows = {
        (row["entry_modality"], row["generation_model"], row["basis"]): row
        for row in entries_of(board()).to_dict("records")
    }
    assert len(rows) == 48 + 3
    bodies = text.split("<tbody>")[1:]
    for modality, body in zip(("vision", "audio"), bodies, strict=True):
        own = [row["normalized_area"] for key, row in rows.items() if key[0] == modality]
        assert len(re.findall("<tr", body.split("</tbody>")[0])) == len(own)
        shown = [float(one) for one in re.findall(r'</th>\n<td data-key="([\d.]+)">', body.split("</tbody>")[0])]
        assert shown == sorted(own, reverse=True)
    first = rows["vision", "ResNet50", "people"]
    words = text_of(site / "index.html")
    best = max((row for row in rows.values() if row["basis"] == "people"), key=lambda row: row["normalized_area"])
    area = [f"{best[f'normalized_area{end}']:.2f}" for end in ("", "_low", "_high")]
    assert re.search(
        rf"{re.escape(best['generation_model'])} [^().]*{area[0]} \(95% \w+ {area[1]} \w+ {area[2]}, n = ", words
    )
    assert re.search(rf"ResNet50 ● measured, published\b\D*{first['normalized_area']:.2f}", words)
    assert re.search(r"eye \W*measured, own\b\D*Ada & Co", words)
    assert [int(number) for number in re.findall(r"Entries [^.\d]*: (\d+)\.", words)] == [2, 1]
    assert re.search(r"ear \W*prediction\b\D*Ada & Co", words)


@pytest.mark.parametrize("basis", ["prediction", OWN_PARTICIPANTS])
def test_the_page_of_an_entry_has_its_numbers(site, basis):
    made = entry("eye", basis)
    text = text_of(site / f"{file_name(made).removesuffix('.nc')}.html")
    rows = entries_of(board()).set_index(["generation_model", "basis"]).loc["eye", basis]
    area = [f"{made[name].item():.2f}" for name in ("normalized_area", "normalized_area_low", "normalized_area_high")]
    assert re.search(r"\b{} \D*{} \w+ {}\b".format(*area), text)
    if basis == "prediction":
        why = rows["reason"].split(". ")[0].rstrip(".")
        assert why
        assert f"{why}." in text
    else:
        assert re.search(rf"\b{rows['rank']} \D*\b30 \D*{rows['rank_low']} \w+ {rows['rank_high']}\b", text)
        assert re.search(r"\bearly last [^.;]*; [^.]*\blate\b", text)
    for stage in made["stage"].values:
        own = made.sel(stage=stage)
        value, low, high, others = (
            own[f"{name}"].item()
            for name in ("recognizability", "recognizability_low", "recognizability_high", "other_models")
        )
        assert f"{stage} {own['stage_depth'].item():.2f} {value:.2f} ({low:.2f} to {high:.2f}) {others:.2f}" in text
    for stated in ("Ada & Co", "A “University”", "https://lab.example/?a=1&b=2", "ada@lab.example", "CC-BY-4.0"):
        assert stated in text
    assert files.content_sha256(made) in text
    assert all(fingerprint in text for fingerprint in made["fingerprint"].values)
    assert json.loads(made["registry_entry"].item())["source"]["timm"] in text


def test_the_page_of_a_published_model_has_its_numbers(site):
    rows = entries_of(board()).set_index("generation_model")
    text = text_of(site / "published-vision-resnet50.html")
    row = rows.loc["ResNet50"]
    area, low, high = (f"{row[f'normalized_area{end}']:.2f}" for end in ("", "_low", "_high"))
    assert re.search(rf"\b{area} \D*{low} \w+ {high}\b", text)
    assert re.search(rf"\b{row['rank']} \D*\b30 ", text)
    assert re.search(r"\blayer2 last [^.;]*; [^.]*\blayer4\b", text)
    key = next(key for key in published().curves if key[1] == "ResNet50")
    curve = published().curves[key].set_index("stage")
    assert (
        f"layer4 {published().scaled[key].depth[list(curve.index).index('layer4')]:.2f} {curve.loc['layer4', 'mean']:.2f}"
        in text
    )
    assert "doi:10.1038/s41593-023-01442-0" in text


def test_the_files_of_entries_are_there_unchanged(site, entries):
    names = sorted(path.name for path in entries.iterdir())
    assert sorted(path.name for path in (site / "entries").iterdir()) == names
    assert all(sha256_of(site / "entries" / name) == sha256_of(entries / name) for name in names)


def test_names_of_pages_are_different_for_all_published_models():
    names = [leaderboard_site.page_name(*key[:2]) for key in published().curves]
    assert len(set(names)) == 48
    assert all(re.fullmatch(r"published-[a-z0-9-]+", name) for name in names)


@pytest.mark.hostile("HTML, control characters …")
def test_texts_with_markup_would_show_as_text(without_figures):
    """The check refuses them; the pages escape them in addition."""
    made = entry("ear").assign(
        generation_model=HOSTILE,
        creator_name=HOSTILE,
        creator_institution=HOSTILE,
        creator_email=HOSTILE,
        entry_license=HOSTILE,
        creator_url='https://a.b/"><script>',
        registry_entry=json.dumps({"source": HOSTILE}),
    )
    made["item_name"] = ("item", [HOSTILE] * made.sizes["item"])
    made.attrs["content_sha256"] = HOSTILE
    pages, figures = leaderboard_site.site_pages({"a&b\"'<.nc": made}, board(), published(), None)
    hostile = [html for html in pages.values() if "alert" in html]
    assert len(hostile) == 2  # the table and its own page
    for html in hostile:
        assert "<script>" not in html
        page = Page(html)
        assert not page.faults
        assert not page.open
        assert {address for address in page.loaded if "alert" in address} == set()
    assert len(figures) == 49


def test_a_name_that_is_a_formula_does_not_end_the_making_of_its_figure():
    made = entry("ear").assign(generation_model=r"$\frac{_x$")
    areas = {"audio": np.array([0.5])}
    row = leaderboard_site.entry_row("a.nc", made.assign_attrs(content_sha256="0"), published(), areas)
    assert b"<svg" in svg(leaderboard_site.entry_figure(row, []))


@pytest.mark.parametrize("basis", ["prediction", OWN_PARTICIPANTS])
def test_an_uninformative_rank_has_its_reason_instead(basis):
    made = entry("eye", basis).assign_attrs(content_sha256="0")
    areas = {"vision": np.linspace(0, 1, 30)}
    wide = made.assign(normalized_area=0.5, normalized_area_low=0.1, normalized_area_high=0.9)
    row = leaderboard_site.entry_row("a.nc", wide, published(), areas)
    assert (row["rank"], row["rank_low"], row["rank_high"]) == (None, None, None)
    assert re.search(r"\b4 \w+ 28 \w+ 31\b", row["reason"])
    narrow = wide.assign(normalized_area_low=0.4, normalized_area_high=0.6)
    row = leaderboard_site.entry_row("a.nc", narrow, published(), areas)
    assert (row["rank"], row["rank_low"], row["rank_high"], "reason" in row) == (16, 13, 19, False)


def test_a_folder_with_files_is_not_written_to(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FileExistsError, match=re.escape(str(tmp_path))):
        leaderboard_site.write_site(tmp_path, {}, {}, board(), published())
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_faulty_entry_ends_the_making_of_the_site(without_figures, site, tmp_path):
    write(entry("ear").assign(normalized_area=0.9, normalized_area_high=0.95), tmp_path / "entries")
    given = [tmp_path / "entries", tmp_path / "site", "--board", site.parent / "published.nc"]
    with pytest.raises(SystemExit, match=r"ear\.\w+\.nc: normalized_area: "):
        command.main(["leaderboard-site", *map(str, given)])
    assert not (tmp_path / "site").exists()


def test_a_later_duplicate_is_left_out_with_a_warning(without_figures, site, tmp_path, capsys):
    made = [write(entry("ear").assign(creator_name=name), tmp_path / "entries").name for name in ("A", "B")]
    given = [tmp_path / "entries", tmp_path / "site", "--board", site.parent / "published.nc"]
    command.main(["leaderboard-site", *map(str, given)])
    said = capsys.readouterr()
    assert re.search(r"\b51 .*\b1 ", said.out)
    assert re.search(f"{max(made)}: fingerprint: .*{min(made)}", said.err)
    assert [path.name for path in (tmp_path / "site" / "entries").iterdir()] == [min(made)]


def test_an_entry_with_the_name_of_a_published_model_does_not_give_it_its_look(without_figures):
    made = entry("ear").assign(generation_model="SpecTemp").assign_attrs(content_sha256="0")
    pages, _ = leaderboard_site.site_pages({"a.nc": made}, board(), published(), None)
    assert pages["index"].count(' style="color:') == 1


def test_a_leaderboard_of_other_models_is_refused(entries, tmp_path):
    renamed = board().copy()
    names = renamed["generation_model"].values.astype(object)
    names[0] = "Another"
    renamed = renamed.assign_coords(generation_model=("entry", names.astype(str)))
    with pytest.raises(ValueError, match="Another"):
        leaderboard_site.site_pages(read_entries(entries, published()), renamed, published(), None)


def test_the_same_entries_make_the_same_pages(site, entries, monkeypatch):
    """In another process; of the figures, those of the entries."""
    chosen = {path.stem for path in entries.iterdir()}
    figure = leaderboard_site.entry_figure
    monkeypatch.setattr(
        leaderboard_site, "entry_figure", lambda row, o: figure(row, o) if row["page"] in chosen else None
    )
    monkeypatch.setattr(leaderboard_site, "svg", lambda figure: figure and svg(figure))
    pages, figures = leaderboard_site.site_pages(read_entries(entries, published()), board(), published(), REPOSITORY)
    assert {name: (site / f"{name}.html").read_text(encoding="utf-8") for name in pages} == pages
    assert len(chosen) == 3
    assert all((site / "figures" / f"{name}.svg").read_bytes() == figures[name] for name in chosen)


# In a browser


@pytest.mark.parametrize("width", [390, *(pytest.param(width, marks=pytest.mark.slow) for width in (820, 1300))])
def test_pages_fit_are_accessible_and_ask_nobody(site, browser, width):
    from axe_playwright_python.sync_playwright import Axe

    context = browser.new_context(bypass_csp=True, viewport={"width": width, "height": 800})
    page = context.new_page()
    said, asked = [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("request", lambda request: asked.append(request.url))
    measured = file_name(entry("eye", OWN_PARTICIPANTS)).removesuffix(".nc")
    for name in ("index", "add", measured, "published-vision-resnet50"):
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.goto((site / f"{name}.html").as_uri())
            page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
            assert page.evaluate("document.documentElement.scrollWidth") <= width, name
            found = Axe().run(page, options={"preload": False, "resultTypes": ["violations"]}).response["violations"]
            assert [(one["id"], [node["html"] for node in one["nodes"][:3]]) for one in found] == [], (name, scheme)
    table = page.goto((site / "index.html").as_uri()) and page.locator("table.board").first
    assert table.bounding_box()["width"] <= width  # nothing is hidden at the side
    assert said == []
    assert {urlsplit(address).scheme for address in asked} <= {"file", "data"}
    context.close()


def test_the_table_sorts_with_javascript_and_is_whole_without(site, browser):
    for script in (True, False):
        context = browser.new_context(java_script_enabled=script)
        page = context.new_page()
        page.goto((site / "index.html").as_uri())
        table = page.locator("table.board").first
        assert table.locator("tbody tr").count() == 30 + 2
        assert page.locator("caption .script").first.is_visible() == script
        first = table.locator(".model").first.inner_text()
        button = table.locator("thead button:has-text('Model')")
        button.click(force=True)
        after = table.locator(".model").first.inner_text()
        assert (after == first) != script
        context.close()
