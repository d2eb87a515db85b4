"""index.html in a browser, as a reader uses it: opened from disk, by mouse, by keyboard, by link."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from faults.lab import wait_for
from paged import HOSTILE, hostile, made
from PIL import Image
from predicted import CLIPS, demo
from stored import plan_of, save_run, store_of

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")

CONTRAST = """() => {
  const light = (rgb) => {
    const [r, g, b] = rgb.map((c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const parts = (text) => text.match(/[\\d.]+/g).map(Number);
  const ground = (node) => {
    const layers = [];
    for (; node; node = node.parentElement) layers.push(parts(getComputedStyle(node).backgroundColor));
    return layers.reverse().reduce((under, [r, g, b, a = 1]) =>
      [r, g, b].map((c, i) => a * c + (1 - a) * under[i]), [255, 255, 255]);
  };
  const found = {};
  const selectors = "p, a, caption, th, td, td .number, .said, .warning, button, select, label, summary, dt, .sign";
  for (const node of document.querySelectorAll(selectors)) {
    if (!node.offsetParent || !node.textContent.trim()) continue;
    const [a, b] = [light(parts(getComputedStyle(node).color).slice(0, 3)), light(ground(node))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) found[`${node.tagName}.${node.className} ${node.textContent.slice(0, 20)}`] = ratio;
  }
  return found;
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


class Reader:
    """A window on one page, and all that it complained of or asked for."""

    def __init__(self, browser: Any, file: Path, **how: Any) -> None:
        self.context = browser.new_context(**{"viewport": {"width": 1400, "height": 900}, **how})
        self.page = self.context.new_page()
        self.file = file
        self.complaints: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("dialog", lambda dialog: self.complaints.append(dialog.message))

    def open(self, address: str = "") -> Any:
        self.page.goto("about:blank")
        self.page.goto(self.file.as_uri() + (f"#{address}" if address else ""))
        return self.page

    def column(self, title: str) -> list[str]:
        heads = self.page.locator("#runs thead th:visible").all_inner_texts()
        place = [re.sub(r"\W+$", "", head) for head in heads].index(title)
        return [row.split("\t")[place] for row in self.page.locator("#runs tbody tr").all_inner_texts()]

    def overflow(self) -> int:
        return self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("browser")
    usual = demo(root / "usual", ["caer", "raer"], [0, 1, 2])
    for folder in (root / "usual" / "caer").iterdir():
        history = [
            {"epoch": e, "losses": {"cls": 1 / (e + 1)}, "val": {"war": e / 9}, "train": {"war": e / 8}}
            for e in range(8)
        ]
        (folder / "history.jsonl").write_text("".join(json.dumps(row) + "\n" for row in history))
        result = json.loads((folder / "result.json").read_text())
        result["confusion"] = {"test": [[9, 1, 0], [0, 5, 5], [0, 0, 20]]}
        (folder / "result.json").write_text(json.dumps(result))
    (root / "hostile").mkdir()
    large = store_of(root / "large", plan_of(["caer", "daisee", "raer"], list(range(56))))
    stores = {"usual": usual, "hostile": hostile(root / "hostile"), "large": large}
    for name, store in stores.items():
        (root / f"{name}.html").write_bytes(made(store))
    return {name: root / f"{name}.html" for name in stores}


@pytest.fixture
def reader(browser: Any, files: dict[str, Path]) -> Iterator[Reader]:
    window = Reader(browser, files["usual"])
    yield window
    window.context.close()
    assert window.complaints == []
    assert {url.partition("#")[0] for url in window.asked} <= {window.file.as_uri(), "data:,"}


def test_runs_are_sorted_by_a_header_and_the_other_way_by_a_second_click(reader):
    page = reader.open()
    button = page.locator("#runs thead").get_by_role("button", name=re.compile("^WAR"))
    button.click()
    scores = list(map(float, reader.column("WAR")))
    assert scores == sorted(scores, reverse=True) and len(set(scores)) > 3
    head = page.locator("#runs thead th", has_text=re.compile("^WAR"))
    assert head.get_attribute("aria-sort") == "descending"
    button.click()
    assert list(map(float, reader.column("WAR"))) == sorted(scores)
    assert head.get_attribute("aria-sort") == "ascending"
    assert page.locator("#runs [aria-sort]").count() == 1


def test_a_filter_keeps_its_runs_counts_them_and_can_be_linked_to(reader):
    page = reader.open()
    section = page.locator("#runs")
    section.get_by_label("Data set").select_option("raer")
    section.get_by_label("moco", exact=True).select_option("1")
    assert set(reader.column("Data set")) == {"raer"} and set(reader.column("moco")) == {"✓"}
    assert section.get_by_role("status").inner_text() == "9 of 36 runs"
    section.get_by_label("Search runs and methods").fill("s2")
    assert section.get_by_role("status").inner_text() == "3 of 36 runs"
    address = page.url
    reader.open(address.partition("#")[2])
    assert page.locator("#runs").get_by_role("status").inner_text() == "3 of 36 runs"
    page.locator("#runs").get_by_role("button", name="Clear filters").click()
    assert page.locator("#runs").get_by_role("status").inner_text() == "36 of 36 runs"


@pytest.mark.parametrize(
    ("address", "word"),
    [
        ("alarms=x", "“x”"),
        ("behind=constructor", "Behind the effect of “constructor”"),
        ("dataset=nosuch", "Data set “nosuch”"),
    ],
)
def test_an_address_that_asks_for_what_is_not_here_shows_all_runs_and_says_so(reader, address, word):
    page = reader.open(address)
    status = page.locator("#runs").get_by_role("status")
    assert status.inner_text().startswith("36 of 36 runs; not here, so not asked for: ")
    assert word in status.inner_text()
    page.locator("#runs").get_by_label("Data set").select_option("raer")
    assert status.inner_text() == "18 of 36 runs"


def test_files_that_can_not_be_read_are_told_with_their_run(browser, tmp_path):
    store = demo(tmp_path, ["caer"], [0])
    (folder,) = (tmp_path / "caer").glob("000-*")
    (folder / "history.jsonl").write_text("{")
    (tmp_path / "index.html").write_bytes(made(store))
    window = Reader(browser, tmp_path / "index.html")
    page = window.open(f"run={folder.name}")
    assert "Damaged files of this run: history.jsonl: is not JSON lines" in page.locator("#run .warning").inner_text()
    assert window.complaints == []
    window.context.close()


def test_scores_of_one_metric_and_of_validation_can_be_chosen(reader):
    page = reader.open("metric=uar")
    heads = page.locator("#runs thead th:visible").all_inner_texts()
    assert any("UAR" in head for head in heads) and not any("WAR" in head for head in heads)


def test_an_effect_leads_to_the_runs_behind_it_and_back_to_where_it_was(reader):
    page = reader.open()
    link = page.locator("#answer .forest tr", has_text="warmup").get_by_role("link").first
    link.click()
    assert "behind=warmup&dataset=caer" in page.url
    assert set(reader.column("Data set")) == {"caer"} and set(reader.column("ldl")) == {"ldl"}
    assert page.locator("#runs").get_by_label("Behind the effect of").input_value() == "warmup"
    page.locator("#runs tbody a").nth(1).click()
    wait_for(lambda: page.locator("#run h2").is_visible() and not page.locator("#overview").is_visible())
    page.go_back()
    page.locator("#overview").wait_for()
    assert set(reader.column("ldl")) == {"ldl"}
    assert page.evaluate("document.activeElement.closest('#runs tbody') !== null")


def test_a_link_to_a_run_shows_its_scores_curves_confusion_reliability_and_line(reader):
    page = reader.open("run=000-s0-caer")
    view = page.locator("#run")
    assert view.get_by_role("heading", level=2).inner_text() == "caer · lsr(epsilon=0.05)+prompt · seed 0"
    assert page.evaluate("document.activeElement.tagName") == "H2"
    assert view.get_by_role("img", name="loss cls: 1 → 0.125; lowest 0.125, highest 1").is_visible()
    assert view.get_by_role("img", name=re.compile("WAR: train 0 → 0.875; val 0 → 0.778")).is_visible()
    assert view.get_by_role("table", name="Confusion on test clips of caer").get_by_text("50 %").first.is_visible()
    assert view.get_by_role("img", name=re.compile("Reliability diagram")).is_visible()
    assert view.get_by_role("table", name="got most wrong").locator("tbody tr").count() > 3
    assert view.locator("pre").inner_text().startswith("harness run --datasets caer --methods")
    assert "print-caer" in view.inner_text()
    view.get_by_role("link", name="seed 2").click()
    wait_for(lambda: page.locator("#run h2").inner_text().endswith("seed 2"))
    page.get_by_role("link", name="Back to all runs").click()
    wait_for(lambda: page.locator("#runs").is_visible())


def test_a_link_to_a_run_that_is_not_there_says_so(reader):
    page = reader.open("run=nobody")
    assert page.locator("#run").get_by_text("No such run here: nobody").is_visible()


def test_only_the_tables_of_the_chosen_metric_are_shown(reader):
    page = reader.open()
    page.locator("#metric select").select_option(label="UAR: mean recall of the classes")
    shown = page.locator("main [data-metric]:visible")
    assert shown.count() > 2 and {one.get_attribute("data-metric") for one in shown.all()} == {"uar"}


def test_hard_clips_are_listed_and_searched(reader):
    page = reader.open("clips")
    section = page.locator("#clips")
    section.get_by_label("Search clips").fill("test/007")
    assert section.get_by_role("status").inner_text() == f"2 of {2 * CLIPS} clips"
    assert section.locator("tbody th").all_inner_texts() == ["test/007", "test/007"]


def test_thumbnails_are_seen_beside_their_clips(browser, tmp_path):
    store = demo(tmp_path, ["caer"], [0])
    for path in (tmp_path / "caer").glob("*/spec.json"):
        path.write_text(json.dumps({**json.loads(path.read_text()), "data": {"miniature": True}}))
    folder = tmp_path / ".thumbnails" / "caer"
    folder.mkdir(parents=True)
    for clip in range(CLIPS):
        name = hashlib.sha256(f"test/{clip:03}".encode()).hexdigest()[:16]
        Image.new("RGB", (96, 72), (clip, 0, 0)).save(folder / f"{name}.jpg")
    (tmp_path / "index.html").write_bytes(made(store))
    window = Reader(browser, tmp_path / "index.html")
    page = window.open("clips")
    pictures = page.locator("#clips img")
    assert pictures.count() == 24
    wait_for(lambda: page.evaluate("[...document.images].every((image) => image.naturalWidth === 96)"))
    assert window.complaints == []
    window.context.close()


def test_all_can_be_done_by_keyboard(reader):
    page = reader.open()
    keys = page.keyboard
    keys.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    keys.press("Enter")
    assert page.evaluate("document.activeElement.closest('main').id") == "overview"
    page.locator("#runs").get_by_label("Data set").focus()
    keys.press("ArrowDown")
    assert page.locator("#runs").get_by_role("status").inner_text() == "18 of 36 runs"
    page.locator("#runs thead button").first.focus()
    keys.press("Enter")
    ids = reader.column("Run")
    assert ids == sorted(ids)
    while page.evaluate("document.activeElement.closest('#runs tbody') === null"):
        keys.press("Tab")
    keys.press("Enter")
    wait_for(lambda: page.locator("#run h2").is_visible())


def test_every_control_has_a_name(reader):
    page = reader.open("clips")
    for role in ("combobox", "searchbox", "button", "table"):
        controls = page.get_by_role(role)
        named = page.get_by_role(role, name=re.compile(r"\w"))
        assert controls.count() == named.count() > 0, role


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("address", ["clips", "run=001-s0-caer"])
def test_text_stands_out_from_its_ground(browser, files, scheme, address):
    window = Reader(browser, files["usual"], color_scheme=scheme)
    assert window.open(address).evaluate(CONTRAST) == {}
    window.context.close()


@pytest.mark.parametrize("address", ["clips", "run=000-s0-caer"])
def test_nothing_is_wider_than_a_narrow_window(browser, files, address):
    window = Reader(browser, files["usual"], viewport={"width": 400, "height": 800})
    window.open(address)
    assert window.overflow() == 0
    window.context.close()


@pytest.mark.parametrize(("width", "head"), [(500, "^WAR"), (1400, "^Alarms")])
def test_what_a_row_of_the_runs_says_is_in_the_window(browser, tmp_path, width, head):
    plan = plan_of(["caer"], [0])
    store = store_of(tmp_path / "runs", plan)
    for row in plan["runs"]:
        save_run(store.root, row, 0.5, result={"alarms": 3, "errors": 1})
    (tmp_path / "index.html").write_bytes(made(store))
    window = Reader(browser, tmp_path / "index.html", viewport={"width": width, "height": 900})
    page = window.open("runs")
    box = page.locator("#runs thead th", has_text=re.compile(head)).bounding_box()
    assert box["x"] + box["width"] <= width
    assert page.locator("#runs tbody tr").first.locator("td").last.inner_text() == "⚠ 1 △ 2"
    window.context.close()


def test_it_prints_the_answer_and_no_controls(reader):
    page = reader.open()
    page.emulate_media(media="print")
    assert page.locator("#answer .lead").is_visible() and page.locator("#answer .forest").first.is_visible()
    assert page.locator("select:visible, .controls:visible, nav:visible").count() == 0


def test_without_a_script_the_answer_and_all_effects_can_be_read(browser, files):
    window = Reader(browser, files["usual"], java_script_enabled=False)
    page = window.open()
    assert page.locator("#answer .lead").is_visible()
    assert page.locator("#answer .forest").count() == page.locator("#answer .forest:visible").count() == 4
    assert "results.csv" in page.locator("#runs").inner_text()
    window.context.close()


def test_names_that_are_meant_to_do_harm_are_shown_and_do_nothing(browser, files):
    window = Reader(browser, files["hostile"])
    page = window.open("clips")
    assert page.locator("#clips tbody th").first.inner_text().startswith("test/<_script><b onclick")
    page.locator("#runs tbody a").first.click()
    assert HOSTILE in page.locator("#run").inner_text()
    assert page.locator("b, i").count() == 0
    assert window.complaints == []
    window.context.close()


def test_a_thousand_runs_are_shown_and_sorted_at_once(browser, files):
    window = Reader(browser, files["large"])
    page = window.open()
    assert files["large"].stat().st_size < 15e6
    paint = "(performance.getEntriesByName('first-contentful-paint')[0] || {}).startTime"
    wait_for(lambda: page.evaluate(paint))  # the page's policy refuses Playwright's own way of waiting
    assert page.evaluate(paint) < 2000
    assert page.locator("#runs").get_by_role("status").inner_text() == "1,008 of 1,008 runs; the first 50 are shown"
    sort = """() => {
      const start = performance.now();
      [...document.querySelectorAll("#runs thead button")].find((one) => one.textContent === "WAR").click();
      document.body.offsetHeight;
      return performance.now() - start;
    }"""
    assert statistics.median(page.evaluate(sort) for _ in range(5)) < 200
    page.locator("#runs").get_by_role("button", name="Show all").click()
    assert page.locator("#runs tbody tr").count() == 1008
    assert window.complaints == []
    window.context.close()
