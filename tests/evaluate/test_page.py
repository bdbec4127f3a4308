"""The page of an evaluation: whole in one file, harmless whatever names say, and small."""

import html.parser
import json
import re
import shutil

import numpy as np
import pytest

from daflow_jax import errors, evaluate
from daflow_jax.evaluate import baselines, generated
from daflow_jax.evaluate.page import choice, scale, thumbnails
from daflow_jax.evaluate.page.content import FLOW
from tests import tiny
from tests.evaluate.on_disk import write_pair

HOSTILE = "</script><img src=x onerror=alert(1)>&\"'"
ADDRESSES = ("src", "href", "srcset", "action", "data", "poster", "background", "formaction")


class Page(html.parser.HTMLParser):
    """Elements, the text of tables by row, and the JSON of a page."""

    def __init__(self, text):
        super().__init__()
        self.text, self.elements, self.tables, self.words, self.json = text, [], [], [], ""
        self._inside = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        own = dict(attributes)
        self.elements.append((tag, own))
        self._inside = own.get("id", "") if tag == "script" else tag
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag):
        self._inside = ""

    def handle_data(self, data):
        self.words.append(data)
        if self._inside == "results":
            self.json += data
        elif self.tables and self.tables[-1] and self.tables[-1][-1] and data.strip():
            self.tables[-1][-1][-1] += data.strip() + " "

    def all(self, tag):
        return [own for name, own in self.elements if name == tag]


def damped(frames):
    """Returns half of what DIS finds."""
    return baselines.dis(frames) / 2


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = generated.write(tmp_path_factory.mktemp("page"), 4, (96, 128))
    methods = {"half": damped, "dis": "dis", "zero": "zero"}
    return evaluate.run(folder, methods, ("clean", "noise:2", "noise:4", "h264:3"))


@pytest.fixture(scope="module")
def file(results, tmp_path_factory):
    """Returns a page; results.json of the same run lies beside it."""
    folder = tmp_path_factory.mktemp("report")
    results.page(folder / "report.html", results.save(folder, "a command --x"))
    return folder / "report.html"


def test_the_page_needs_nothing_but_itself(file):
    page = Page(file.read_text())
    for tag, own in page.elements:
        assert tag not in ("link", "iframe", "object", "embed", "base", "form")
        for name in ADDRESSES:
            assert own.get(name, "data:image/").startswith("data:image/"), (tag, name)
    (policy,) = (m["content"] for m in page.all("meta") if "http-equiv" in m)
    assert "default-src 'none'" in policy and "script-src 'sha256-" in policy
    assert not re.search(r"https?://|url\(|@import", page.text)
    assert all(own.get("alt") is not None for own in page.all("img"))
    assert len({own["id"] for _, own in page.elements if "id" in own}) == sum(
        "id" in own for _, own in page.elements
    )


def test_numbers_are_those_of_results_json(file, results):
    page = Page(file.read_text())
    record = json.loads(page.json)
    assert record == json.loads((file.parent / "results.json").read_text())
    averages = page.tables[0]
    assert averages[0] == ["method ", "clean ", "noise:2 ", "noise:4 ", "h264:3 "]
    assert [row[0].strip() for row in averages[1:]] == ["half", "dis", "zero"]
    own = results.scores["noise:4"]["dis"]
    low, high = own["intervals"]["epe"]
    cell = averages[2][3].replace("−", "-")
    assert cell.startswith(f"{results.epe('dis', 'noise:4'):.2f} ")
    assert f"[{low:.2f}, {high:.2f}]" in cell
    assert f"{own['epe_above_first']['mean']:+.2f}" in cell and "first method" in cell
    parts = next(t for t in page.tables if t[0][0] == "data set ")
    assert len(parts) == 1 + 4 * 3 and parts[1][3].strip() == "4"
    text = " ".join(page.words)
    assert "a command --x" in text and record["date"] in text and record["data"]["sha256"] in text
    assert "4 pairs from 4 clips in 1 data set" in text and "too narrow" in text


def test_curves_are_drawn_where_severities_were_run(file):
    page = Page(file.read_text())
    drawn = [own["aria-label"] for own in page.all("svg") if own.get("role") == "img"]
    assert len(drawn) == 1, "one severity of h264 is no curve"
    assert re.match(r"EPE against severity of noise: half [\d.]+ at 0, [\d.]+ at 2", drawn[0])
    bands = [own for own in page.all("path") if own.get("class", "").startswith("band")]
    assert len(bands) == 3


def test_pairs_show_all_methods_and_each_pair_once(file, results):
    page = Page(file.read_text())
    keys = [own["data-key"] for own in page.all("img") if "data-key" in own]
    shown = {"first", "second", "truth"}
    shown |= {f"{what}:{name}" for what in ("flow", "error") for name in ("half", "dis", "zero")}
    assert set(keys) == shown and len(keys) == 4 * len(shown), "only four pairs exist"
    cases = choice.choose(results.rows, ["half", "dis", "zero"], 2)
    names = [name for (name, _), _ in cases]
    assert len(set(names)) == len(names) == 4
    assert max(results.rows, key=lambda r: (r["method"] == "half") * r["epe"])["name"] == names[0]
    ((name, condition), why) = cases[2]
    own = {r["method"]: r["epe"] for r in results.rows
           if (r["name"], r["degradation"]) == (name, condition)}  # fmt: skip
    best = min(("dis", "zero"), key=own.get)
    assert own[best] < own["half"] and why.endswith(f"here to {best}")
    assert choice.choose(results.rows, ["half", "dis", "zero"], 0) == []


def test_pairs_that_averages_leave_out_are_not_chosen(tmp_path):
    write_pair(tmp_path / "aside/p", 50.0, in_averages=False)
    write_pair(tmp_path / "counted/p", 2.0)
    found = evaluate.run(tmp_path, {"half": damped, "zero": "zero"})
    assert [example.name for example in choice.examples(found, 2)] == ["counted/p"]


def test_hostile_names_stay_text(tmp_path):
    name = HOSTILE.replace("/", "∕")  # no file name holds a slash
    write_pair(tmp_path / f"pairs/{name}/{name}", 2.0, licence=HOSTILE)
    found = evaluate.run(tmp_path / "pairs", {HOSTILE: damped, "zero": "zero"}, name=HOSTILE)
    found.page(tmp_path / "report.html", found.record(f"daflow {HOSTILE}\x1b[2J\udce9"))
    page = Page((tmp_path / "report.html").read_text())
    assert not any("onerror" in own for _, own in page.elements)
    assert len(page.all("script")) == 2 and json.loads(page.json)["data"]["name"] == HOSTILE
    words = " ".join(page.words)
    assert words.count(HOSTILE) > 5 and f"daflow {HOSTILE}\\x1b[2J\\udce9" in words


def test_a_page_of_many_large_pairs_stays_small():
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (300, 400, 3), np.uint8)  # nothing takes more room
    examples = [thumbnails.Example("", "", "", "", 1.0, {}, {("flow", str(k)): noise})
                for k in range(5)]  # fmt: skip
    for budget, kept in ((300_000, 5), (20_000, 1)):
        found = thumbnails.encode(examples, budget)
        assert sum(len(uri) for own in found for uri in own.values()) <= budget
        assert kept <= sum(map(bool, found)) <= 5


def test_a_page_of_restorers_has_tables(tmp_path):
    clips = {name: tiny.frames(2, 40, 48, seed=seed) for seed, name in enumerate("ab")}
    found = evaluate.run_restoration(clips, {"same": lambda x: x}, ("noise:2", "noise:4"))
    found.page(tmp_path / "report.html", found.save(tmp_path))
    page = Page((tmp_path / "report.html").read_text())
    assert json.loads(page.json) == json.loads((tmp_path / "results.json").read_text())
    assert page.tables[0][1][1].startswith(f"{found.scores['noise:2']['same']['psnr']:.2f} ")
    assert page.tables[2][0][:3] == ["clip ", "condition ", "method "] and len(page.tables[2]) == 9


@pytest.mark.parametrize(
    ("values", "expected"),
    [((0.0, 4.0), (0.0, 4.2, False)), ((1.0, 50.0), (1 / 1.15, 57.5, True)), ((), (0, 1, False))],
)
def test_axes_hold_their_values(values, expected):
    axis = scale.of([*values, None, float("nan")])
    assert axis == pytest.approx(expected)
    assert all(0 <= axis.at(value) <= 1 for value in values)
    assert 2 <= len(axis.ticks()) <= 8
    assert FLOW.metrics[0].text(-0.5, signed=True) == "−0.50"


def test_the_command_writes_the_page_and_refuses_what_is_none(tmp_path, monkeypatch, capsys):
    from daflow_jax import cli

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DAFLOW_CACHE", str(tmp_path / "cache"))
    write_pair(tmp_path / "pairs/a/p", 2.0)
    command = ["eval", "pairs", "--baseline", "zero,dis", "--quiet", "--report"]
    assert cli.main([*command, "made/report.html", "--worst", "1"]) == 0
    page = Page((tmp_path / "made/report.html").read_text())
    assert json.loads(page.json) == json.loads((tmp_path / "daflow_eval/results.json").read_text())
    for more, words in (
        (["report.txt"], "--report report.txt: is not an HTML file. Name it FILE.html."),
        (["r.html", "--submission", "sintel"], "--report: shows errors, and --submission knows"),
    ):
        capsys.readouterr()
        assert cli.main([*command, *more]) == 2 and words in capsys.readouterr().err


def test_a_page_without_pairs_and_a_place_that_takes_none(results, tmp_path):
    results.page(tmp_path / "plain.html", examples=0)
    page = Page((tmp_path / "plain.html").read_text())
    assert not [own for own in page.all("img") if "data-key" in own]
    with pytest.raises(errors.UserError, match="cannot be written"):
        results.page(tmp_path, examples=0)


@pytest.fixture
def browser(tmp_path):
    """Returns a headless Chromium that has no network."""
    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        pytest.skip("needs chromium and chromedriver")
    webdriver = pytest.importorskip("selenium.webdriver", reason="needs daflow-jax[browser]")
    options = webdriver.ChromeOptions()
    for flag in ("headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run",
                 "disable-background-networking", "disable-component-update", "disable-sync",
                 f"user-data-dir={tmp_path / 'profile'}", "proxy-server=127.0.0.1:9"):  # fmt: skip
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    driver = webdriver.Chrome(options=options, service=service)
    yield driver
    driver.quit()


def texts(browser, selector):
    script = "return [...document.querySelectorAll(arguments[0])].filter(e => e.offsetParent)"
    return browser.execute_script(f"{script}.map(e => e.textContent)", selector)


def choose(browser, selector, value):
    script = """const e = document.querySelector(arguments[0]); e.value = arguments[1];
        e.dispatchEvent(new Event(e.type === "range" ? "input" : "change"));"""
    browser.execute_script(script, selector, value)


@pytest.mark.slow
def test_a_browser_sorts_filters_and_wipes(browser, file):
    from selenium.webdriver.common.keys import Keys

    browser.get(file.as_uri())
    heads = browser.find_elements("css selector", "table[data-metric=epe] thead button")
    names = "table[data-metric=epe] tbody th"
    values = "table[data-metric=epe] tbody td:nth-child(2) .reading > :first-child"
    heads[1].send_keys(Keys.ENTER)  # from the keyboard
    up = [float(text) for text in texts(browser, values)]
    assert up == sorted(up) and len(set(up)) == 3
    heads[1].click()
    assert [float(text) for text in texts(browser, values)] == up[::-1]
    state = "return document.querySelector('table[data-metric=epe] [aria-sort]').ariaSort"
    assert browser.execute_script(state) == "descending"
    heads[0].click()
    assert texts(browser, names) == ["dis", "half", "zero"]
    choose(browser, "#metric", "fl_all")
    assert texts(browser, names) == [] and texts(browser, "table[data-metric=fl_all] tbody th")

    choose(browser, "select[data-filter=condition]", "noise:4")
    choose(browser, "select[data-filter=method]", "dis")
    assert texts(browser, "#parts tbody td[data-filter=condition]") == ["noise:4"]
    assert texts(browser, "#count") == ["1 of 12 rows"]

    browser.find_element("css selector", "#pair-1 [data-method=zero]").click()
    assert texts(browser, "#pair-1 figcaption")[-2:] == ["flow of zero", "its error, zero"]
    choose(browser, "#pair-1 select[data-side=right]", "truth")
    script = "return document.querySelector(arguments[0]).src"
    for place, key in ((".over", "flow:zero"), (".under", "truth")):
        shown = browser.execute_script(script, f"#pair-1 {place}")
        assert shown == browser.execute_script(script, f"#pair-1 [data-key='{key}']")
    slider = browser.find_element("css selector", "#pair-1 input[type=range]")
    slider.send_keys(Keys.ARROW_RIGHT * 5)
    clip = "return getComputedStyle(document.querySelector('#pair-1 .over')).clipPath"
    assert slider.get_attribute("value") == "55"
    assert re.search(r"calc\(100% - 55%\)|45%", browser.execute_script(clip))
    assert browser.get_log("browser") == []


@pytest.mark.slow
@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_is_wider_than_the_screen(browser, file, width):
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(file.as_uri())
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
