"""The page in a real browser: what it shows, that it asks nobody else, and that everybody can use it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from page_problem import FLAGS, PHONE, WIDE, WatchedPage, browser_path, served

pytest.importorskip("fastapi", reason="the server needs the extra web")
playwright = pytest.importorskip(
    "playwright.sync_api", reason="the browser is driven by Playwright: pip install playwright"
)

STATIC = Path(__file__).parent.parent / "src" / "metricvae" / "web" / "static"
TABS = ("shapes", "molecules", "metric", "jobs")
SHAPES = ("search", "generate", "walk", "plane")
SETTLED = 600
"""Milliseconds after which a panel that was opened stands still."""
MOLECULES = ("overlay", "msearch", "dock", "affinity", "autocomplete")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    browser_path()
    with served(tmp_path_factory.mktemp("served"), warm=("overlap",)) as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=browser_path(), args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture
def watched(address: str, browser: Any) -> Iterator[WatchedPage]:
    context = browser.new_context(viewport=WIDE)
    yield WatchedPage(context.new_page(), address)
    context.close()


def phone(address: str, browser: Any, scheme: str) -> WatchedPage:
    context = browser.new_context(viewport=PHONE, color_scheme=scheme, has_touch=True, reduced_motion="reduce")
    return WatchedPage(context.new_page(), address)


def value_of(watched: WatchedPage) -> float:
    text = watched.page.locator(".answer-value").text_content()
    return math.nan if text == "\u2013" else float(text.replace(",", ""))


def draw(watched: WatchedPage, pad: str) -> None:
    box = watched.page.locator(f".pad-{pad} canvas").bounding_box()
    mouse = watched.page.mouse
    mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 0.5 * box["height"])
    mouse.down()
    mouse.move(box["x"] + 0.8 * box["width"], box["y"] + 0.5 * box["height"], steps=8)
    mouse.up()


def test_a_stroke_changes_the_prediction(watched: WatchedPage) -> None:
    page = watched.page
    watched.open()
    page.locator(".answer-foot .command").wait_for()
    before = value_of(watched)
    assert before > 1_000
    page.get_by_role("button", name="Clear shape A").click()
    page.get_by_text("Draw shape A for an answer").wait_for()
    assert math.isnan(value_of(watched))
    draw(watched, "a")
    page.get_by_text("90 % interval").wait_for()
    assert 0 < value_of(watched) != before
    for _ in range(2):
        page.get_by_role("button", name="Undo in shape A").click()
    playwright.expect(page.locator(".answer-value")).to_have_text(f"{before:,.0f}")
    page.locator("#tab-jobs").click()
    page.get_by_text("No jobs yet").wait_for()
    assert not page.locator("#shapes").is_visible()
    watched.check_clean()


def test_functions_of_the_page_have_known_answers(watched: WatchedPage) -> None:
    watched.open("jobs")
    watched.page.get_by_text("No jobs yet").wait_for()
    cells = watched.module("metric/table.js", 'm.readCsv(\'a,b,value\\n"x,1.png","y""z.png",2\\r\\n\').rows')
    assert cells == [["x,1.png", 'y"z.png', "2"]]
    table = "{names: ['left', 'score', 'right'], rows: [['a.png', '1', 'd/b.png'], ['a.png', '2', 'c.png']]}"
    guess = watched.module("metric/table.js", f"m.guessColumns({table})")
    assert guess == {"a": "left", "b": "right", "value": "score"}
    match = watched.module(
        "metric/table.js", f"m.matchFiles({table}, {{a: 'left', b: 'right'}}, [{{name: 'b.png'}}, {{name: 'a.png'}}])"
    )
    assert (match["asked"], match["missing"], len(match["found"])) == (3, ["c.png"], 2)
    disc = "const d = m.emptyMask(); m.stroke(d, [99.5, 99.5], [99.5, 99.5], 40, 1);"
    areas = watched.module(
        "shapes/mask.js", f"{{ {disc} const before = m.area(d); m.flood(d, 0, 0, 1); return [before, m.area(d)]; }}"
    )
    assert abs(areas[0] - math.pi * 40**2) < 30
    assert areas[1] == 200 * 200
    laid = watched.module("molecules/sdf.js", "m.applied([[0, -1, 0], [1, 0, 0], [0, 0, 1]], [1, 2, 3], [1, 0, 0])")
    assert laid == [1, 3, 3]
    texts = watched.module("lib/format.js", "[m.csv([['=1', '-2', 'a,b']]), m.duration(75), m.size(2048)]")
    assert texts == ['\'=1,-2,"a,b"\n', "1 min 15 s", "2 kB"]
    watched.check_clean()


REPLAYED = """{
  const { emptyMask } = await import(new URL("js/shapes/mask.js", location));
  const place = document.createElement("div"), counts = [], asked = window.fetch;
  const pads = ["A", "B"].map((letter) => ({ letter, mask: emptyMask(), empty: false, file: () => ({}) }));
  const found = 'event: partial\\ndata: {"answers": [{"picture": "data:image/gif;base64,R0lGODlhAQABAAAAACw="}]}\\n\\n';
  let opened = 0;
  window.fetch = async (path) => {
    if (path.endsWith("/events")) return new Response(found.repeat(++opened));
    if (path.endsWith("/jobs/one")) counts.push(place.querySelectorAll(".thumb").length);
    return Response.json({ id: "one", state: opened < 2 ? "running" : "cancelled" });
  };
  try {
    m.open(place, pads);
    [...place.querySelectorAll("button")].find((one) => one.textContent === "Generate").click();
    while (!place.textContent.includes("Cancelled")) await new Promise((go) => setTimeout(go, 20));
  } finally {
    window.fetch = asked;
  }
  return counts;
}"""
"""What is shown of a generation after its stream of events broke, and after all of them came again, one more."""


def test_answers_that_come_again_are_shown_once(watched: WatchedPage) -> None:
    watched.open("jobs")
    assert watched.module("shapes/generate.js", REPLAYED) == [1, 2]


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_tab_can_be_used_by_everybody(address: str, browser: Any, scheme: str) -> None:
    watched = phone(address, browser, scheme)
    for size in (WIDE, PHONE):
        watched.page.set_viewport_size(size)
        for tab in TABS:
            watched.open(tab)
            watched.page.locator(f"#{tab}").wait_for()
            watched.page.wait_for_timeout(SETTLED)
            for panel in {"shapes": SHAPES, "molecules": MOLECULES}.get(tab, ()):
                watched.page.locator(f"#tab-{panel}").click()
                watched.page.wait_for_timeout(SETTLED)
                assert watched.violations() == [], (tab, panel, size)
                assert watched.fits(), (tab, panel, size)
            assert watched.violations() == [], (tab, size)
            assert watched.fits(), (tab, size)
    watched.check_clean()
    watched.page.context.close()


@pytest.mark.slow
def test_keys_alone_draw_and_move_between_tabs(watched: WatchedPage) -> None:
    page = watched.page
    watched.open()
    page.locator(".answer-foot .command").wait_for()
    page.get_by_role("button", name="Clear shape A").click()
    page.locator(".pad-a canvas").focus()
    for key in ("ArrowUp", "Space", "ArrowRight", "Space", "Control+z"):
        page.keyboard.press(key)
    assert page.locator(".pad-a figcaption").text_content() == "A317 px"
    page.locator("#tab-shapes").focus()
    page.keyboard.press("ArrowRight")
    page.locator("#molecules").wait_for()
    assert page.evaluate("document.activeElement.id") == "tab-molecules"
    watched.check_clean()


@pytest.mark.slow
def test_the_exact_overlap_is_near_the_prediction_and_can_be_repeated(watched: WatchedPage) -> None:
    page = watched.page
    watched.open()
    page.locator(".answer-foot .command").wait_for()
    page.get_by_role("button", name="Exact overlap").click()
    page.locator(".exact-result h3").wait_for(timeout=180_000)
    exact = float(page.locator(".exact-result b").text_content().split()[0].replace(",", ""))
    assert abs(exact - value_of(watched)) < 0.15 * exact
    commands = page.locator(".answer .command code").all_text_contents()
    assert sorted(commands) == ["metricvae predict overlap A.png B.png", "metricvae solve A.png B.png"]
    with page.expect_download() as download:
        page.locator(".answer-foot").get_by_role("button", name="JSON").click()
    assert '"solve"' in Path(download.value.path()).read_text("utf-8")
    watched.check_clean()


@pytest.mark.slow
def test_latent_space_is_walked_and_looked_at(watched: WatchedPage) -> None:
    page = watched.page
    watched.open()
    page.locator("#tab-walk").click()
    page.locator("#walk .command").wait_for(timeout=180_000)
    page.locator("#walk input[type=range]").fill("8")
    assert re.search(r"Overlap with A [\d,]+ px, with B [\d,]+ px", page.locator("#walk").text_content())
    page.locator("#tab-plane").click()
    page.locator("#plane .command").wait_for()
    page.locator(".plane").focus()
    page.keyboard.press("ArrowRight")
    page.get_by_text("0.1 and 0.0 standard deviations").wait_for()
    watched.check_clean()


@pytest.mark.slow
def test_shapes_are_generated_by_a_job(watched: WatchedPage) -> None:
    page = watched.page
    watched.open()
    page.locator(".answer-foot .command").wait_for()
    page.locator("#tab-generate").click()
    page.get_by_label("How many").fill("2")
    page.get_by_role("button", name="Generate", exact=True).click()
    page.get_by_role("button", name="All files").wait_for(timeout=240_000)
    assert page.locator("#generate .thumb").count() == 2
    page.locator("#tab-jobs").click()
    page.locator(".badge.done").first.wait_for()
    watched.check_clean()


@pytest.mark.slow
def test_molecules_are_laid_on_one_another(watched: WatchedPage) -> None:
    pytest.importorskip("rdkit", reason="molecules need the extra chem")
    page = watched.page
    watched.open("molecules")
    page.locator("#results-overlay .meter").first.wait_for(timeout=180_000)
    page.locator("#stage canvas").wait_for()
    page.get_by_label("Surface").select_option("both")
    page.get_by_role("textbox", name="Molecule A").fill("not a SMILES")
    page.get_by_text("Not a SMILES").wait_for()
    page.get_by_role("button", name="Sketch Molecule B").click()
    page.locator(".sketch canvas").first.wait_for()
    assert watched.violations() == []
    page.keyboard.press("Escape")
    watched.check_clean()


@pytest.mark.slow
def test_a_metric_of_ones_own_is_learned(watched: WatchedPage) -> None:
    page = watched.page
    watched.open("metric")
    page.get_by_role("button", name="Try it with an example").click()
    page.get_by_text("All 160 objects").wait_for()
    page.get_by_label("Steps of the training").fill("100")
    page.get_by_role("button", name="Train a model").click()
    page.get_by_role("heading", name="The model is ready").wait_for(timeout=480_000)
    assert page.locator(".curve[points]").count() == 4
    watched.check_clean()


@pytest.mark.slow
def test_bad_input_is_told_in_words(watched: WatchedPage, tmp_path: Path) -> None:
    page = watched.page
    watched.open("metric")
    (tmp_path / "bad.csv").write_text("only\none\n")
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Drop a table").click()
    chooser.value.set_files(tmp_path / "bad.csv")
    page.get_by_role("alert").filter(has_text="expected a line of names").wait_for()
    watched.open("shapes")
    (tmp_path / "bad.png").write_text("no picture")
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Open a picture as shape A").click()
    chooser.value.set_files(tmp_path / "bad.png")
    page.get_by_role("alert").filter(has_text="no picture that this browser reads").wait_for()
    watched.check_clean()


def test_pages_have_no_inline_scripts_or_styles() -> None:
    for path in STATIC.glob("*.html"):
        text = path.read_text("utf-8")
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", text), path.name
        assert not re.search(r"(?:src|href)=\"(?:https?:)?//", text), path.name


def test_modules_are_small_and_ask_nobody_else() -> None:
    for path in (STATIC / "js").rglob("*.js"):
        text = path.read_text("utf-8")
        assert text.count("\n") <= 300, path.name
        assert text.startswith(("// ", '"use strict";\n// ')), path.name
        assert set(re.findall(r"https?://[^\"'` ]+", text)) <= {"http://www.w3.org/2000/svg"}, path.name
