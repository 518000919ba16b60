"""The report's pages in a real browser, from files: every control by pointer, touch and keys; no requests to hosts."""

import io
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np
import pytest
from PIL import Image

from metamers.report import navigation
from metamers.run import files
from tests.pages import Page, broken_links
from tests.report.sites import HOSTILE, LINKED, Run, browser_data_script

sync_api = pytest.importorskip("playwright.sync_api")
axe_api = pytest.importorskip("axe_playwright_python.sync_playwright")

STAGES = ["input", "block 1", "block/2", "logits"]
MODELS = {"efficientnet_lite0": "vision", "efficientnet_lite1": "vision", "cochcnn9_standard": "audio"}
RECOGNITION_MODELS = {"vision": ["judge_1", "judge_2"], "audio": ["judge_3"]}
SIZES = {"phone": (360, 740), "tablet": (820, 1180), "desk": (1440, 900)}


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    """The report of a run with two models of images and one of sounds, seven stimuli, and two metamers of each stimulus."""
    run = Run(tmp_path_factory.mktemp("run"), MODELS, STAGES, stimuli=7, seeds=2, recognition_models=RECOGNITION_MODELS)
    run.save()
    for model in MODELS:
        run.media(model)
    return run.pages()


class Visit:
    """A page in its own window; its console messages and requests are recorded.

    Attributes
    ----------
    page
        As playwright has it.
    said
        Errors and warnings of the console.
    asked
        Addresses of everything that was loaded.
    """

    def __init__(self, browser, size: str) -> None:
        width, height = SIZES[size]
        self.context = browser.new_context(viewport={"width": width, "height": height}, has_touch=size == "phone")
        self.page = self.context.new_page()
        self.page.set_default_timeout(60_000)
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: message.type in ("error", "warning") and self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("requestfailed", self.failed)
        self.page.on("request", lambda request: self.asked.append(request.url))

    def failed(self, request) -> None:
        """Record failed requests, except those that were cancelled because another page was opened."""
        if request.failure != "net::ERR_ABORTED":
            self.said.append(f"not loaded: {request.url}: {request.failure}")

    def to(self, folder: Path, name: str, fragment: str = "") -> "sync_api.Page":
        """Go to a page of a report, and wait until its content is complete."""
        self.page.goto("about:blank")
        self.page.goto(f"{(folder / f'{name}.html').as_uri()}{fragment}")
        if name == "browser":
            self.page.wait_for_selector("#stimuli a")
        for chart in self.page.locator(".chart .drawn").all():
            chart.scroll_into_view_if_needed()  # until then it is not drawn
            chart.locator("svg").wait_for()
        self.page.evaluate("scrollTo({ top: 0, behavior: 'instant' })")
        return self.page

    def finish(self) -> None:
        """Check that there are no console messages and no requests to hosts."""
        self.context.close()
        assert self.said == []
        assert {urlsplit(address).scheme for address in self.asked} <= {"file", "data", "blob", "about"}


@pytest.fixture
def visit(browser) -> Iterator[Visit]:
    """A visit with a desktop browser."""
    one = Visit(browser, "desk")
    yield one
    one.finish()


@pytest.fixture
def phone(browser) -> Iterator[Visit]:
    """A visit with a phone's browser."""
    one = Visit(browser, "phone")
    yield one
    one.finish()


def until(page, expression: str) -> None:
    """Wait until a JavaScript expression is true; playwright's own function evaluates code from text, which the pages forbid."""
    for _ in range(1200):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never came true: {expression}")


def shown(page) -> dict[str, str]:
    """The names in the address."""
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).fragment).items()}


def picture(page, name: str) -> str:
    """The path, below the folder of media, of the loaded file that a large picture shows."""
    until(page, f"document.getElementById('{name}').naturalWidth > 0")
    return unquote(page.get_attribute(f"#{name}", "src")).removeprefix("media/")


# Every page

LEGENDS_THAT_ARE_CUT = """
    Array.from(document.querySelectorAll("svg .role-legend"))
        .map(one => [one.textContent, one.getBoundingClientRect(), one.closest("svg").getBoundingClientRect()])
        .filter(([_, legend, chart]) => legend.right > chart.right + 1 || legend.bottom > chart.bottom + 1)
        .map(([words]) => words)
"""


@pytest.mark.parametrize(
    ("size", "scheme"),
    [
        ("phone", "light"),
        ("desk", "dark"),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (("tablet", "light"), ("desk", "light"), ("phone", "dark"))
        ),
    ],
)
def test_every_page_fits_and_is_accessible(browser, report, size, scheme):
    visit = Visit(browser, size)
    for name in navigation.PAGES:
        page = visit.to(report, name)
        page.emulate_media(color_scheme=scheme)
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, f"{name} is {wide} pixels wider than {size}"
        cut = page.evaluate(LEGENDS_THAT_ARE_CUT)
        assert cut == [], f"{name}: a legend ends outside its chart"
        found = axe_api.Axe().run(page, options={"preload": False, "resultTypes": ["violations"]})
        problems = [(one["id"], [node["html"] for node in one["nodes"]]) for one in found.response["violations"]]
        assert problems == [], name
    visit.finish()


@pytest.mark.parametrize("width", [360, pytest.param(390, marks=pytest.mark.slow)])
def test_legends_of_long_names_are_whole_also_after_the_window_became_narrower(browser, report, width):
    visit = Visit(browser, "desk")
    for name in ("curves", "match", "statistics"):
        for before in (width, SIZES["desk"][0]):
            visit.page.set_viewport_size({"width": before, "height": 800})
            page = visit.to(report, name)
            page.set_viewport_size({"width": width, "height": 800})
            until(page, f"({LEGENDS_THAT_ARE_CUT}).length === 0")
    visit.finish()


def color(page, expression: str) -> list[int]:
    """Red, green and blue of a computed colour."""
    return [int(part) for part in re.findall(r"\d+", page.evaluate(expression))[:3]]


def test_pages_are_dark_in_a_dark_environment_and_light_on_paper(visit, report):
    page = visit.to(report, "curves")
    paper, figure = (
        "getComputedStyle(document.body).backgroundColor",
        "getComputedStyle(document.querySelector('{}')).filter",
    )
    for media, scheme, dark in (("screen", "light", False), ("screen", "dark", True), ("print", "dark", False)):
        page.emulate_media(media=media, color_scheme=scheme)
        assert (sum(color(page, paper)) < 100) == dark
        for drawing in ("img.plot", ".drawn svg"):
            assert ("invert" in page.evaluate(figure.format(drawing))) == dark
    page.emulate_media(media="screen", color_scheme="dark")
    (ground,) = {tuple(color(page, paper))}
    chart = page.locator(".drawn svg").first
    seen = Image.open(io.BytesIO(chart.screenshot())).convert("RGB")
    assert seen.getpixel((2, seen.height - 2)) == pytest.approx(ground, abs=2)  # a chart has no frame of its own


def test_printed_pages_have_charts_and_no_controls(browser, report, tmp_path):
    visit = Visit(browser, "desk")
    page = visit.page
    page.goto((report / "curves.html").as_uri())
    until(page, "document.querySelectorAll('.drawn svg').length === document.querySelectorAll('.chart').length")
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 680, "height": 960})  # of a sheet of A4 between margins
    assert page.locator("nav:visible, .bar:visible, .readout:visible, footer:visible").count() == 0
    assert page.locator(".drawn svg:visible").count() > 0
    wide = page.evaluate(
        "Math.max(...[...document.querySelectorAll('main :is(svg, img, table):not(details *)')].map(one => one.getBoundingClientRect().right))"
    )
    assert wide <= 680
    visit.finish()


def test_figures_are_loaded_with_the_page_so_that_its_pdf_has_them(browser, report):
    """A browser may print without figures that it would load when they are near the viewport."""
    visit = Visit(browser, "phone")
    page = visit.page
    page.goto((report / "index.html").as_uri())  # waits for all that is not lazy
    figure = page.locator("img.plot").first
    assert figure.bounding_box()["y"] > 4000  # far below the viewport
    assert figure.evaluate("image => image.complete && image.naturalWidth > 0")
    page.emulate_media(media="print")
    assert page.locator("a[href$='.svg']:visible, audio:visible").count() == 0
    visit.finish()


def test_the_navigation_leads_through_all_pages(visit, report):
    page = visit.to(report, "index")
    titles = page.locator("nav a").all_inner_texts()
    assert titles == [*(page.title for page in navigation.PAGES.values()), *LINKED.values()]
    for name, title in zip(navigation.PAGES, titles, strict=False):
        page.click(f"nav a:text-is('{title}')")
        assert urlsplit(page.url).path.endswith(f"/{name}.html")
        assert page.inner_text("nav a[aria-current=page]") == title


def test_every_link_leads_to_a_page_a_file_or_a_place(report):
    pages = {path.name: Page(path.read_text()) for path in report.glob("*.html")}
    others = [path.relative_to(report).as_posix() for path in report.rglob("*") if path.is_file()]
    assert broken_links(pages, others) == []


def test_the_first_key_skips_to_the_content(visit, report):
    page = visit.to(report, "curves")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    until(page, "location.hash === '#content'")


def test_figures_are_there_without_javascript(browser, report):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((report / "curves.html").as_uri())
    assert page.locator("img.plot:visible").count() > 0
    assert page.locator(".chart:visible").count() == 0
    page.goto((report / "browser.html").as_uri())
    assert page.locator("noscript").count() == 1
    context.close()


# The overview


def test_after_its_finding_the_overview_shows_a_natural_stimulus_and_its_metamers(visit, report):
    page = visit.to(report, "index")
    rows = page.locator(".example .cells")
    assert [rows.nth(row).locator("li").count() for row in range(2)] == [
        4,
        4,
    ]  # natural, and the stages after the input
    assert rows.first.bounding_box()["y"] < page.viewport_size["height"]
    first = page.locator(".cells img").first
    until(page, "[...document.querySelectorAll('.cells img')].every(image => image.naturalWidth > 0)")
    assert first.get_attribute("src").startswith("media/efficientnet_lite0/natural/")
    captions = rows.first.locator("figcaption").all_inner_texts()
    assert [text.split("\n")[0] for text in captions] == ["Natural", *STAGES[1:]]
    rows.first.locator("li").last.locator("a").click()
    page.wait_for_selector("#stimuli a")
    assert {"model": "efficientnet_lite0", "stage": "logits"}.items() <= shown(page).items()


def test_pictures_a_little_larger_than_their_place_are_not_reduced(visit, report):
    page = visit.to(report, "index")
    first = "document.querySelector('.cells:not(.heard) img')"
    for width, cropped in ((64, False), (24, True), (10, False)):
        page.evaluate(f"width => {{ {first}.style.width = `${{width}}px`; }}", width)
        until(page, f"{first}.classList.contains('centre') === {str(cropped).lower()}")
        assert (page.evaluate(f"getComputedStyle({first}).objectFit") == "none") == cropped


def test_one_sound_of_the_overview_plays_at_a_time(visit, report):
    page = visit.to(report, "index")
    assert page.locator(".example audio").count() == 4
    page.evaluate("""() => {
      window.paused = [];
      document.querySelectorAll("audio").forEach((player, place) => { player.pause = () => window.paused.push(place); });
    }""")
    page.evaluate("document.querySelectorAll('audio')[2].dispatchEvent(new Event('play'))")
    assert page.evaluate("window.paused") == [0, 1, 3]


def test_the_overview_compares_adversarial_training_with_the_reference(visit, report):
    page = visit.to(report, "index")
    section = page.locator("section[aria-labelledby=remedy]")
    contrast = files.load(report.parent / "comparison/contrasts.nc")
    assert section.locator("h3").all_inner_texts() == ["efficientnet_lite1 minus efficientnet_lite0"]
    assert f"{100 * float(contrast['late_difference'][0]):+.1f}".replace("-", "−") in section.inner_text()
    titles = [text.split("\n")[0] for text in section.locator("figcaption").all_inner_texts()]
    assert titles == ["Natural", "efficientnet_lite0, logits", "efficientnet_lite1, logits"]


# The browser of metamers


def test_choices_change_what_is_shown_and_what_the_address_names(visit, report):
    page = visit.to(report, "browser")
    assert shown(page) == {"model": "efficientnet_lite0", "stage": "block/2", "stimulus": "stimulus_000", "seed": "0"}
    assert page.locator("audio:visible").count() == 0
    assert page.is_hidden("#both")
    assert page.is_hidden("#axes")
    page.select_option("#model", "efficientnet_lite1")
    until(page, "document.getElementById('shown').textContent.includes('efficientnet_lite1')")
    page.select_option("#stage", "block 1")
    page.select_option("#stimulus", "stimulus_004")
    page.select_option("#seed", "1")
    until(page, "document.getElementById('shown').textContent.endsWith('seed 1')")
    assert shown(page) == {"model": "efficientnet_lite1", "stage": "block 1", "stimulus": "stimulus_004", "seed": "1"}
    assert picture(page, "natural") == "efficientnet_lite1/natural/stimulus_004.png"
    assert picture(page, "metamer") == "efficientnet_lite1/block_1/stimulus_004_1.png"
    words = page.inner_text("#shown")
    assert all(name in words for name in ("“label 4”", "block 1", "efficientnet_lite1", "seed 1"))
    page.go_back()
    until(page, "document.getElementById('shown').textContent.endsWith('seed 0')")
    assert page.input_value("#seed") == "0"


def test_a_link_shows_what_it_names(visit, report):
    page = visit.to(report, "browser", "#model=efficientnet_lite1&stage=block%2F2&stimulus=stimulus_006&seed=1")
    assert picture(page, "metamer") == "efficientnet_lite1/block_2/stimulus_006_1.png"
    assert [page.input_value(f"#{name}") for name in ("model", "stage", "stimulus", "seed")] == [
        "efficientnet_lite1",
        "block/2",
        "stimulus_006",
        "1",
    ]
    assert page.is_hidden("#notice")


def test_an_address_of_no_metamer_says_so_and_shows_none(visit, report):
    page = visit.page
    for address, names in (
        ("#model=nobody", ["nobody"]),
        ("?model=nobody", ["nobody"]),
        ("?model=efficientnet_lite1&stage=nowhere", ["efficientnet_lite1", "nowhere"]),
        ("#fragment", ["fragment"]),
        ("#model=efficientnet_lite0&stimulus=%3Cimg%20src=x%3E", ["efficientnet_lite0", "<img src=x>"]),
        ("#model=efficientnet_lite1&stage=nowhere&seed=7", ["efficientnet_lite1", "nowhere", "7"]),
        ("#model=__proto__&seed=7", ["__proto__"]),
    ):
        page.goto("about:blank")
        page.goto(f"{(report / 'browser.html').as_uri()}{address}")
        page.wait_for_selector("#notice:visible")
        assert all(name in page.inner_text("#notice") for name in names)
        assert page.is_hidden("#viewer")
        assert page.url.endswith(address)
        page.keyboard.press("ArrowRight")
        assert page.is_hidden("#viewer")
    page.click("#notice a")
    page.wait_for_selector("#stimuli a")
    assert page.is_hidden("#notice")
    assert page.is_visible("#viewer")


def test_after_an_unknown_address_a_choice_shows_a_metamer(visit, report):
    page = visit.page
    page.goto(f"{(report / 'browser.html').as_uri()}#model=efficientnet_lite1&stage=nowhere&stimulus=stimulus_004")
    page.wait_for_selector("#notice:visible")
    values = [page.evaluate(f"document.getElementById('{name}').value") for name in ("model", "stage", "stimulus")]
    assert values == ["efficientnet_lite1", "", "stimulus_004"]
    page.select_option("#stage", "block 1")
    page.wait_for_selector("#stimuli a")
    assert {"model": "efficientnet_lite1", "stage": "block 1", "stimulus": "stimulus_004"}.items() <= shown(
        page
    ).items()
    assert page.is_hidden("#notice")


def test_the_skip_link_leaves_the_metamer(visit, report):
    page = visit.to(report, "browser", "#model=efficientnet_lite1&stage=block%201")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    until(page, "location.hash === '#content'")
    assert page.is_hidden("#notice")
    assert "efficientnet_lite1" in page.inner_text("#shown")


def test_buttons_and_keys_go_through_stages_and_stimuli(visit, report):
    page = visit.to(report, "browser")
    page.keyboard.press("ArrowRight")  # with nothing in focus
    assert shown(page)["stage"] == "logits"
    page.keyboard.press("ArrowRight")  # there is none
    assert shown(page)["stage"] == "logits"
    assert page.get_attribute("#stage-on", "aria-disabled") == "true"
    page.click("#stage-back")
    assert shown(page)["stage"] == "block/2"
    page.keyboard.press("ArrowDown")  # the button has the focus
    assert shown(page)["stimulus"] == "stimulus_001"
    page.keyboard.press("ArrowUp")
    assert shown(page)["stimulus"] == "stimulus_000"
    page.click("#stimulus-on")
    page.click("#stimulus-on")
    page.click("#stimulus-back")
    assert shown(page)["stimulus"] == "stimulus_001"
    page.click("#seed-on")
    assert shown(page)["seed"] == "1"
    page.click("#stage-on")
    assert shown(page)["stage"] == "logits"
    page.focus("#stage")
    page.keyboard.press("ArrowUp")  # there keys belong to the choice
    assert shown(page)["stage"] == "block/2"
    assert shown(page)["stimulus"] == "stimulus_001"


def test_labels_with_markup_show_as_text(visit, report):
    page = visit.to(report, "browser", "#model=efficientnet_lite0&stimulus=stimulus_001")
    assert HOSTILE in page.inner_text("#shown")
    assert HOSTILE in page.inner_text("#natural-words")
    assert page.locator("main script").count() == 0


def test_numbers_and_answers_are_those_of_the_run(visit, report):
    page = visit.to(report, "browser", "#model=efficientnet_lite1&stage=logits&stimulus=stimulus_001&seed=1")
    run = report.parent
    at = {"stage": "logits", "stimulus": "stimulus_001", "seed": 1}
    accepted = files.load(run / "acceptance/efficientnet_lite1.nc").sel(at)
    cells = {
        row[0]: row[1:] for row in (text.split("\t") for text in page.locator("#match tbody tr").all_inner_texts())
    }
    assert float(cells["Pearson r"][0]) == pytest.approx(float(accepted["pearson_r"]), rel=1e-2)
    null = files.load(run / "nulls/efficientnet_lite1.nc").sel(stage="logits")["spearman_rho"]
    assert float(cells["Spearman ρ"][2]) == pytest.approx(float(null.max()), rel=1e-2)
    assert page.inner_text("#metamer-words") == "Metamer: ✗ category lost"
    rows = {
        row[0]: row[1:] for row in (text.split("\t") for text in page.locator("#answers tbody tr").all_inner_texts())
    }
    assert rows.keys() == {"efficientnet_lite1 (itself)", "judge_1", "judge_2"}
    judged = files.load(run / "recognition/efficientnet_lite1/judge_2.nc").sel(stimulus="stimulus_001", seed=1)
    wanted = [
        f"{judged['answer'].sel(stage=stage).item()} {'✓' if judged['correct'].sel(stage=stage) else '✗'}"
        for stage in ("natural", "logits")
    ]
    assert rows["judge_2"] == wanted


def test_thumbnails_lead_to_what_they_show(visit, report):
    page = visit.to(report, "browser")
    assert page.locator("#stages li").count() == 1 + len(STAGES)  # natural first
    page.click("#stages a:has-text('input')")
    until(page, "location.hash.includes('stage=input') && document.activeElement.hasAttribute('aria-current')")
    assert page.locator("#stimuli a").count() == 7 * 2
    page.click("#stimuli li:nth-child(6) a")
    until(page, "location.hash.includes('stimulus_002')")
    assert shown(page) == {"model": "efficientnet_lite0", "stage": "input", "stimulus": "stimulus_002", "seed": "1"}
    assert page.locator("[aria-current=true]").count() == 2  # in both rows


def test_a_thumbnail_shows_its_own_part_of_the_sheet(visit, report):
    page = visit.to(report, "browser", "#model=efficientnet_lite0&stage=input&stimulus=stimulus_005&seed=1")
    thumb = page.locator("#stimuli a[aria-current] img")
    thumb.evaluate("image => image.decode()")
    assert thumb.evaluate("image => image.style.objectPosition") == "-96px -96px"  # the twelfth, ten in a row
    assert thumb.get_attribute("src") == "media/efficientnet_lite0/input/sheet_0.jpg"
    assert thumb.evaluate("image => [image.naturalWidth, image.naturalHeight]") == [960, 192]
    # What is on the screen there looks like the exported picture, and like no other.
    seen = Image.open(io.BytesIO(thumb.screenshot())).convert("RGB")
    alike = {}
    for path in sorted((report.parent / "exported/efficientnet_lite0/input").glob("*.png")):
        wanted = np.asarray(Image.open(path).resize(seen.size, Image.Resampling.NEAREST), float)
        alike[path.stem] = np.corrcoef(np.asarray(seen, float).ravel(), wanted.ravel())[0, 1]
    assert max(alike, key=alike.get) == "stimulus_005_1"
    assert alike.pop("stimulus_005_1") > 0.7
    assert max(alike.values()) < 0.2


def test_stimuli_can_be_filtered(visit, report):
    page = visit.to(report, "browser", "#model=efficientnet_lite0&stage=logits")
    for choice, count in (("accepted", 10), ("rejected", 4), ("all", 14)):
        page.select_option("#filter", choice)
        assert page.locator("#stimuli a").count() == count
        assert f"{count} metamers" in page.inner_text("#page")
    assert [page.evaluate(f"metamers.count({n}, 'metamer')") for n in (0, 1, 2)] == [
        "0 metamers",
        "1 metamer",
        "2 metamers",
    ]


def test_an_empty_filter_says_why(visit, report):
    page = visit.to(report, "browser", "#model=efficientnet_lite0&stage=input")
    assert page.is_hidden("#empty")
    page.select_option("#filter", "rejected")
    assert page.locator("#stimuli a").count() == 0
    assert all(name in page.inner_text("#empty") for name in ("input", "efficientnet_lite0", "14"))
    page.select_option("#filter", "all")
    assert page.is_hidden("#empty")


def test_an_axis_that_does_not_start_at_0_says_so(visit, report):
    page = visit.to(report, "match")
    chart = page.locator("[data-chart=match]")
    assert chart.locator("svg text", has_text=re.compile(r"axis starts at 0\.\d+, not at 0")).count() == 1
    chart.locator("select").last.select_option("efficientnet_lite0")  # its null distribution begins near 0
    until(page, "!document.querySelector('[data-chart=match] svg').textContent.includes('axis starts at 0.7')")
    page = visit.to(report, "curves")
    assert page.locator("svg text", has_text="axis starts at").count() == 0


def test_what_is_recognized_by_most_or_by_none_is_counted_by_others(visit, report):
    recognized = sum(
        files.load(report.parent / f"recognition/efficientnet_lite0/{recognition_model}.nc")["correct"]
        .sel(stage="block/2")
        .astype(int)
        for recognition_model in RECOGNITION_MODELS["vision"]
    )
    page = visit.to(report, "browser", "#model=efficientnet_lite0&stage=block%2F2")
    for choice, wanted in (("most", recognized == 2), ("none", recognized == 0)):
        page.select_option("#filter", choice)
        assert page.locator("#stimuli a").count() == int(wanted.sum()) > 0


def test_a_size_is_pixels_of_the_page_for_a_pixel_of_the_picture(visit, report):
    page = visit.to(report, "browser")
    assert picture(page, "metamer")
    for size in ("8×", "6×", "4×", "3×", "2×", "1×"):  # the pictures are small: they begin with the largest size
        assert page.inner_text("#size") == size
        for name in ("natural", "metamer"):
            box = page.locator(f"#{name}").bounding_box()
            assert (box["width"], box["height"]) == (32 * int(size[0]), 32 * int(size[0]))
        page.focus("#metamer-pane")
        page.keyboard.press("-")
    assert page.get_attribute("#smaller", "aria-disabled") == "true"
    # Every pixel of the exported picture is a pixel on the screen.
    seen = np.asarray(Image.open(io.BytesIO(page.locator("#metamer").screenshot())).convert("RGB"))
    at = shown(page)
    exported = (
        report.parent / f"exported/efficientnet_lite0/{at['stage'].replace('/', '_')}/{at['stimulus']}_{at['seed']}.png"
    )
    wanted = np.asarray(Image.open(exported))
    places = [(row, column) for row in range(seen.shape[0] - 31) for column in range(seen.shape[1] - 31)]
    assert any(np.array_equal(seen[row : row + 32, column : column + 32], wanted) for row, column in places)


def test_pictures_larger_than_their_frame_scroll_together(phone, report):
    page = phone.to(report, "browser")
    assert picture(page, "metamer")
    while page.inner_text("#size") != "8×":
        page.click("#larger")
    page.evaluate(
        "for (const id of ['natural-pane', 'metamer-pane']) document.getElementById(id).style.maxWidth = '180px'"
    )
    page.evaluate("document.getElementById('natural-pane').style.maxHeight = '150px'")
    page.evaluate("document.getElementById('metamer-pane').style.maxHeight = '150px'")
    page.evaluate("document.getElementById('natural-pane').scrollTo({ left: 50, top: 60, behavior: 'instant' })")
    until(
        page,
        "document.getElementById('metamer-pane').scrollLeft === 50 && document.getElementById('metamer-pane').scrollTop === 60",
    )
    page.focus("#metamer-pane")
    page.keyboard.press("ArrowDown")  # scrolls, as the picture is larger than its frame
    until(page, "document.getElementById('natural-pane').scrollTop > 60")
    assert shown(page)["stimulus"] == "stimulus_000"
    page.keyboard.press("-")
    assert page.inner_text("#size") == "6×"
    page.keyboard.press("+")
    assert page.inner_text("#size") == "8×"
    page.keyboard.press("+")  # it is as large as it gets
    assert page.inner_text("#size") == "8×"


def test_sounds_play_one_at_a_time_and_one_after_the_other(visit, report):
    page = visit.to(report, "browser", "#model=cochcnn9_standard&stage=block%201&stimulus=stimulus_003&seed=1")
    assert picture(page, "metamer") == "cochcnn9_standard/block_1/stimulus_003_1.png"
    assert page.get_attribute("#metamer-sound", "src") == "media/cochcnn9_standard/block_1/stimulus_003_1.wav"
    assert page.get_attribute("#natural-sound", "src") == "media/cochcnn9_standard/natural/stimulus_003.wav"
    page.evaluate(
        """window.heard = [];
        for (const id of ["natural-sound", "metamer-sound"])
          for (const what of ["play", "pause", "ended"]) document.getElementById(id).addEventListener(what, () => heard.push([id, what]));"""
    )
    page.click("#both")
    until(page, "heard.some(([id, what]) => id === 'metamer-sound' && what === 'ended')")
    played = [id for id, what in page.evaluate("heard") if what == "play"]
    assert played == ["natural-sound", "metamer-sound"]
    duration = page.evaluate("document.getElementById('metamer-sound').duration")
    assert duration == pytest.approx(0.25, abs=0.01)
    page.evaluate("heard.length = 0; document.getElementById('natural-sound').play()")
    page.evaluate("document.getElementById('metamer-sound').play()")
    until(page, "heard.some(([id, what]) => id === 'natural-sound' && what === 'pause')")
    page.click("summary:has-text('How to read a cochleagram')")
    until(page, "document.getElementById('axes-figure').naturalWidth > 0")


def test_a_finger_does_what_a_pointer_does(phone, report):
    page = phone.to(report, "browser")
    page.tap("#stage-on")
    assert shown(page)["stage"] == "logits"
    page.locator("#stimuli li:nth-child(3) a").tap()
    until(page, "location.hash.includes('stimulus_001')")
    # The pictures that have changed are in sight.
    until(page, "document.getElementById('shown').getBoundingClientRect().top < innerHeight")


# Charts


def points_of(page, name: str) -> list[dict]:
    """Points of a chart, read from the page."""
    return page.evaluate(f"metamers.charts[{name!r}].datasets.points")


def hit(page, name: str, number: int):
    """The area of a chart that responds for a point: the areas of the last layer are in the points' order."""
    return page.locator(f".chart[data-chart={name}] g.mark-symbol.role-mark").last.locator("path").nth(number)


def test_a_point_tells_what_it_is_and_opens_its_metamers(visit, report):
    page = visit.to(report, "curves")
    name = "recognizability_vision"
    points = [point for point in points_of(page, name) if point["by"] == "the other models, mean"]
    number, wanted = next(
        (n, p) for n, p in enumerate(points) if (p["model"], p["stage"]) == ("efficientnet_lite1", "block 1")
    )
    page.locator(f"[data-chart={name}]").scroll_into_view_if_needed()
    hit(page, name, number).hover(force=True)
    told = page.locator("#vg-tooltip-element")
    told.wait_for(state="visible")
    assert "efficientnet_lite1" in told.inner_text()
    assert "block 1" in told.inner_text()
    hit(page, name, number).click(force=True)
    page.wait_for_selector("#stimuli a")
    assert urlsplit(page.url).path.endswith("browser.html")
    assert {"model": "efficientnet_lite1", "stage": "block 1"}.items() <= shown(page).items()
    assert wanted["link"].startswith("browser.html#model=efficientnet_lite1")


def test_a_chart_can_be_read_and_followed_by_keys(visit, report):
    page = visit.to(report, "curves")
    name = "recognizability_vision"
    chart = page.locator(f"[data-chart={name}]")
    chart.locator(".drawn").focus()
    page.keyboard.press("ArrowRight")
    first = chart.locator(".readout").inner_text()
    assert re.match(r"efficientnet_lite0, natural: \d+% .*\(\d+% to \d+%\), n = 7", first)
    page.keyboard.press("ArrowRight")
    assert chart.locator(".readout").inner_text().startswith("efficientnet_lite0, input: ")
    page.keyboard.press("End")
    assert chart.locator(".readout").inner_text().startswith("efficientnet_lite1, logits: ")
    page.keyboard.press("Home")
    assert chart.locator(".readout").inner_text() == first
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.wait_for_selector("#stimuli a")
    assert {"model": "efficientnet_lite0", "stage": "input"}.items() <= shown(page).items()


def test_choices_beside_a_chart_change_what_its_keys_reach(visit, report):
    page = visit.to(report, "curves")
    chart = page.locator("[data-chart=recognizability_vision]")
    chart.locator("select[data-field=model]").select_option("efficientnet_lite1")
    chart.locator("select[data-field=by]").select_option("participants, predicted")
    chart.locator(".drawn").focus()
    page.keyboard.press("ArrowRight")
    assert re.match(r"efficientnet_lite1, input: \d+% .*predicted", chart.locator(".readout").inner_text())
    # The last stage has a prediction too: the interval of its rate overlaps the published range.
    page.keyboard.press("End")
    assert re.match(r"efficientnet_lite1, logits: \d+% .*predicted", chart.locator(".readout").inner_text())


def test_a_first_touch_tells_and_a_second_opens(phone, report):
    page = phone.to(report, "curves")
    name = "recognizability_audio"
    page.locator(f"[data-chart={name}]").scroll_into_view_if_needed()
    hit(page, name, 2).tap(force=True)
    until(
        page,
        f"document.querySelector('[data-chart={name}] .readout').textContent.startsWith('cochcnn9_standard, block 1')",
    )
    assert urlsplit(page.url).path.endswith("curves.html")
    hit(page, name, 2).tap(force=True)
    page.wait_for_selector("#stimuli a")
    assert {"model": "cochcnn9_standard", "stage": "block 1"}.items() <= shown(page).items()


def test_published_points_tell_what_they_are_and_have_no_metamers_here(visit, report):
    page = visit.to(report, "curves")
    chart = page.locator("[data-chart=humans_vs_models_vision]")
    chart.locator(".drawn").focus()
    page.keyboard.press("ArrowRight")
    assert "(published)" in chart.locator(".readout").inner_text()
    assert chart.locator(".readout a").count() == 0
    page.keyboard.press("Enter")
    assert urlsplit(page.url).path.endswith("curves.html")
    page.keyboard.press("End")
    assert "predicted" in chart.locator(".readout").inner_text()
    chart.locator(".readout a").click()
    page.wait_for_selector("#stimuli a")
    assert shown(page)["model"] == "efficientnet_lite1"


def test_every_metamer_of_a_model_is_a_point_that_opens_it(visit, report):
    page = visit.to(report, "match")
    chart = page.locator("[data-chart=metamers]")
    chart.locator("select").first.select_option("cochcnn9_standard")
    chart.locator("select").last.select_option("Pearson r")
    until(page, "document.querySelectorAll('[data-chart=metamers] g.mark-symbol.role-mark path').length > 50")
    chart.locator(".drawn").focus()
    page.keyboard.press("End")
    assert re.match(
        r"label 6\b.* logits\b.* seed 1\b.* Pearson r 0\.\d+, accepted", chart.locator(".readout").inner_text()
    )
    page.keyboard.press("Enter")
    page.wait_for_selector("#stimuli a")
    assert shown(page) == {"model": "cochcnn9_standard", "stage": "logits", "stimulus": "stimulus_006", "seed": "1"}


def test_points_of_other_charts_have_words_and_links_too(visit, report):
    for name, chart, words in (
        ("match", "match", r"efficientnet_lite0, input: .*0\.\d+, 14 of 14"),
        ("statistics", "contrasts", r"efficientnet_lite1 minus efficientnet_lite0, input: [+-]\d+"),
    ):
        page = visit.to(report, name)
        place = page.locator(f"[data-chart={chart}]")
        place.locator(".drawn").focus()
        page.keyboard.press("ArrowRight")
        assert re.match(words, place.locator(".readout").inner_text())
        place.locator("summary").click()
        assert place.locator("tbody tr").count() == len(points_of(page, chart))
        place.locator("tbody a").first.click()
        page.wait_for_selector("#stimuli a")
        assert shown(page)["stage"] == "input"


# Scale


MANY_STAGES = [f"stage_{number}" for number in range(8)]


@pytest.fixture(scope="module")
def large(tmp_path_factory) -> Path:
    """The report of 50 models with 400 metamers each; all show the same pictures."""
    models = {f"model_{number:02d}": "vision" for number in range(50)}
    run = Run(
        tmp_path_factory.mktemp("large"),
        models,
        MANY_STAGES,
        stimuli=50,
        seeds=1,
        recognition_models={"vision": ["recognition_model"]},
    )
    run.save()
    first = run.media("model_00")
    for model in list(models)[1:]:
        shutil.copytree(
            first, first.with_name(model), copy_function=lambda source, target: Path(target).hardlink_to(source)
        )
        data = first.with_name(model) / "data.js"
        data.unlink()
        data.write_text(browser_data_script(run, model))
    return run.pages()


@pytest.mark.slow
def test_fifty_models_and_twenty_thousand_metamers_do_not_fill_a_page(browser, large):
    visit = Visit(browser, "phone")
    page = visit.to(large, "browser")
    assert page.locator("#model option").count() == 50
    nodes, scripts, models = [], [], [f"model_{number:02d}" for number in range(0, 50, 7)]
    for turn, model in enumerate(models):
        page.select_option("#model", model)
        until(page, f"location.hash.includes('{model}')")
        for _ in range(3):  # forth and back
            page.click(f"#stage-{('on', 'back')[turn % 2]}")
            page.click(f"#stimulus-{('on', 'back')[turn % 2]}")
        nodes.append(page.evaluate("document.querySelectorAll('*').length"))
        scripts.append(len({address for address in visit.asked if address.endswith("data.js")}))
    assert max(nodes) < 1200
    assert max(nodes) - min(nodes) < 50  # the number of models that were seen does not count
    assert scripts == list(range(1, 9))  # of a model that nobody looked at nothing is loaded
    sheets = [address for address in visit.asked if "/sheet_" in address]
    assert len(set(sheets)) <= 8 * (len(MANY_STAGES) + 1)
    assert {address.split("/media/")[1].split("/")[0] for address in sheets} <= set(models)
    visit.finish()


@pytest.mark.slow
def test_charts_of_fifty_models_are_drawn_and_answer(browser, large):
    visit = Visit(browser, "desk")
    page = visit.to(large, "curves")
    chart = page.locator("[data-chart=recognizability_vision]")
    assert len(points_of(page, "recognizability_vision")) > 50 * len(MANY_STAGES)
    chart.locator("select[data-field=model]").select_option("model_49")
    chart.locator(".drawn").focus()
    page.keyboard.press("End")
    assert chart.locator(".readout").inner_text().startswith("model_49, stage_7")
    visit.finish()
