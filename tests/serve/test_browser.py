"""The page in a real browser: every action, with the mouse and by keyboard alone; phone, dark; no word in its console."""

from __future__ import annotations

import base64
import io
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None or DRIVER is None, reason="needs chromium and its driver: apt-get install chromium chromium-driver"
)
webdriver = pytest.importorskip("selenium.webdriver")


@pytest.fixture(scope="module")
def downloads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="module")
def opened(downloads: Path) -> Iterator[Any]:
    options = webdriver.ChromeOptions()
    for flag in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--disable-gpu",
        "--window-size=1100,900",
    ):
        options.add_argument(flag)
    options.binary_location = CHROMIUM
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    driver.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(downloads)})
    driver.set_script_timeout(30)
    yield driver
    driver.quit()


@pytest.fixture
def page(opened: Any, server: str) -> Iterator[Any]:
    """The page, ready; a violation of its policy or any other complaint of the browser fails the test."""
    opened.get_log("browser")
    opened.get(server)
    until(opened, "document.body.dataset.ready")
    yield opened
    said = opened.get_log("browser")
    assert [line["message"] for line in said] == []


def until(driver: Any, condition: str, seconds: float = 30) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := driver.execute_script(f"return {condition}"):
            return value
        time.sleep(0.05)
    raise AssertionError(f"never came true: {condition}")


def source(driver: Any, selector: str) -> str:
    return str(driver.execute_script("return document.querySelector(arguments[0]).src", selector))


def pixels(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))


def text(driver: Any, name: str) -> str:
    return str(driver.execute_script("return document.getElementById(arguments[0]).textContent", name))


def move_to(driver: Any, name: str, value: float) -> None:
    driver.execute_script(
        "const s = document.getElementById(arguments[0]); s.value = arguments[1];"
        "s.dispatchEvent(new Event('input')); s.dispatchEvent(new Event('change'));",
        name, value,
    )  # fmt: skip


def saved(downloads: Path, name: str) -> bytes:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        if (downloads / name).is_file():
            content = (downloads / name).read_bytes()
            (downloads / name).unlink()
            return content
        time.sleep(0.1)
    raise AssertionError(f"{name} was not saved; there is {[p.name for p in downloads.iterdir()]}")


def test_samples_are_drawn_by_seed_class_truncation_and_count(page: Any, play: Any, downloads: Path) -> None:
    shown = "document.querySelectorAll('#grid img').length"
    assert page.execute_script(f"return {shown}") == 40
    page.find_element("css selector", "#count option:first-child").click()
    until(page, f"{shown} === 10")
    page.find_element("css selector", "#class option[value=disc]").click()
    move_to(page, "truncation", 0.5)
    seed = page.find_element("id", "seed")
    seed.clear()
    seed.send_keys("11\n")
    until(page, "document.getElementById('samples-status').textContent.includes('seed 11, disc')")
    own = play.model.sample(10, seed=11, label="disc", truncation=0.5)
    assert np.array_equal(pixels(source(page, "#grid button:nth-child(3) img")), own[2])
    page.find_element("id", "samples-png").click()
    assert Image.open(io.BytesIO(saved(downloads, "samples-11.png"))).format == "PNG"
    page.find_element("id", "samples-npz").click()
    stored = np.load(io.BytesIO(saved(downloads, "samples-11.npz")), allow_pickle=False)
    assert np.array_equal(stored["images"], own)
    before = seed.get_attribute("value")
    page.find_element("id", "dice").click()
    until(page, f"document.getElementById('seed').value !== '{before}'")
    until(page, "document.getElementById('samples-status').textContent.includes(document.getElementById('seed').value)")


def test_a_wrong_seed_is_told_and_nothing_breaks(page: Any) -> None:
    seed = page.find_element("id", "seed")
    seed.clear()
    page.find_element("css selector", "#samples-form .primary").click()
    assert page.execute_script("return document.activeElement.id") == "seed"  # the browser's own message
    seed.send_keys("3\n")
    until(page, "document.getElementById('samples-status').textContent.includes('seed 3')")


def test_two_samples_are_chosen_and_walked_between(page: Any, downloads: Path) -> None:
    buttons = page.find_elements("css selector", "#grid button")
    buttons[4].click()
    buttons[7].click()
    until(page, "document.getElementById('walk-b-name').textContent === 'sample 8'")
    assert page.execute_script("return document.querySelectorAll('#grid [aria-pressed=true]').length") == 2
    assert text(page, "walk-a-name") == "sample 5"
    seen = set()
    for place in (0, 8, 16):
        move_to(page, "walk-slider", place)
        seen.add(source(page, "#walk-image"))
    assert len(seen) == 3 and text(page, "walk-value") == "100 %"
    page.find_element("id", "walk-npz").click()
    assert np.load(io.BytesIO(saved(downloads, "walk.npz")), allow_pickle=False)["images"].shape[0] == 17
    page.find_element("id", "walk-png").click()
    assert Image.open(io.BytesIO(saved(downloads, "walk.png"))).width > 1000


def test_an_image_shows_its_code_reconstruction_and_neighbours(
    page: Any, folder: Path, play: Any, downloads: Path
) -> None:
    path = sorted(folder.rglob("*.png"))[0]
    page.find_element("id", "file").send_keys(str(path))
    until(page, "document.querySelectorAll('#neighbours img').length === 8")
    assert np.array_equal(pixels(source(page, "#image-seen")), np.asarray(Image.open(path)))
    assert "PSNR" in text(page, "image-psnr") and "training images" in text(page, "among")
    size = int(np.prod(play.code_shape))
    assert page.execute_script("return document.querySelectorAll('#image-code rect').length") == min(size, 128)
    page.find_element("id", "image-npz").click()
    assert np.load(io.BytesIO(saved(downloads, "code.npz")), allow_pickle=False)["code"].size == size
    page.find_element("id", "image-a").click()
    until(page, f"document.getElementById('walk-a-name').textContent === '{path.name}'")
    page.find_element("id", "image-move").click()
    assert page.execute_script("return document.getElementById('move-from').value") == "image"


def test_a_dropped_file_is_encoded_and_what_is_none_is_told(page: Any, folder: Path) -> None:
    drop = """
        const bytes = Uint8Array.from(atob(arguments[0]), (c) => c.charCodeAt(0));
        const data = new DataTransfer();
        if (bytes.length) data.items.add(new File([bytes], arguments[1], { type: "image/png" }));
        const how = { dataTransfer: data, bubbles: true, cancelable: true };
        document.getElementById("drop").dispatchEvent(new DragEvent("drop", how));
    """
    path = sorted(folder.rglob("*.png"))[1]
    page.execute_script(drop, base64.b64encode(path.read_bytes()).decode(), "dropped.png")
    until(page, "document.getElementById('image-status').textContent === 'dropped.png is encoded.'")
    page.execute_script(drop, base64.b64encode(b"no image").decode(), "notes.txt")
    until(page, "document.getElementById('image-status').textContent.includes(\"can't be used\")")
    page.execute_script(drop, "", "")
    until(page, "document.getElementById('image-status').textContent.includes('no file')")
    # Chromium reports every answer of 4xx in the console: this one was asked for
    assert [line for line in page.get_log("browser") if "400" not in line["message"]] == []


def test_directions_move_the_image_and_reset(page: Any, downloads: Path) -> None:
    page.find_element("css selector", "#move-from option[value=mean]").click()
    until(page, "document.getElementById('move-image').complete")
    time.sleep(0.5)
    still = source(page, "#move-image")
    move_to(page, "d0", 3)
    until(page, f"document.getElementById('move-image').src !== '{still}'")
    page.find_element("id", "move-npz").click()
    assert np.load(io.BytesIO(saved(downloads, "moved.npz")), allow_pickle=False)["images"].shape[0] == 1
    page.find_element("id", "reset").click()
    until(page, f"document.getElementById('move-image').src === '{still}'")
    assert page.execute_script("return document.getElementById('d0').value") == "0"


def test_training_shows_curves_pictures_and_state(page: Any) -> None:
    until(page, "document.querySelectorAll('#charts polyline').length > 2")
    until(page, "document.getElementById('run-grid').naturalWidth > 0")
    assert text(page, "run-line") == "This run is finished." and "80" in text(page, "run-tiles")
    first = source(page, "#run-grid")
    move_to(page, "run-step", 0)
    until(
        page, f"document.getElementById('run-grid').src !== '{first}' && document.getElementById('run-grid').complete"
    )


def test_everything_can_be_done_by_keyboard(page: Any, folder: Path) -> None:
    """Tab reaches each control in order, focus is visible, arrows move within the samples and the sliders."""
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    def press(*keys: str) -> str:
        for key in keys:
            ActionChains(page).send_keys(key).perform()
        return str(page.execute_script("return document.activeElement.id"))

    order = []
    for _ in range(80):
        name = press(Keys.TAB) or page.execute_script("return document.activeElement.closest('[id]').id")
        order.append(name)
        outline = page.execute_script("return getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none" or name == "", name
        if name == "run-step":
            break
    reached = [n for i, n in enumerate(order) if n not in order[:i]]
    for name in ("seed", "dice", "class", "count", "truncation", "samples-png", "grid", "walk-slider", "walk-npz", "file",
                 "move-from", "d0", "reset", "run-step"):  # fmt: skip
        assert name in reached, (name, reached)
    page.execute_script("document.querySelector('#grid button').focus()")
    press(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_DOWN, Keys.ENTER)
    press(Keys.HOME, Keys.SPACE)
    until(page, "document.getElementById('walk-b-name').textContent === 'sample 1'")
    assert text(page, "walk-a-name") not in ("sample 1", "none yet")
    page.execute_script("document.getElementById('walk-slider').focus()")
    press(Keys.HOME)
    assert text(page, "walk-value") == "0 %"
    press(Keys.ARROW_RIGHT)
    assert text(page, "walk-value") == "6 %"


def test_everything_has_a_name(page: Any) -> None:
    """As assistive technology sees it: no nameless control, no image without words."""
    nameless = page.execute_script("""
        return [...document.querySelectorAll("button, input, select, a, progress, img, svg")]
          .filter((e) => e.checkVisibility())
          .filter((e) => !(e.getAttribute("aria-label") || e.alt || e.textContent.trim() || (e.labels && e.labels.length)
                           || e.querySelector("img[alt]")))
          .map((e) => e.outerHTML.slice(0, 120));
    """)
    assert nameless == []
    assert page.execute_script("return document.querySelectorAll('[role=status]').length") >= 5


@pytest.mark.parametrize("width", [320, 375, 1100])
def test_no_width_scrolls_sideways(page: Any, width: int, folder: Path) -> None:
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        page.find_element("id", "file").send_keys(str(next(folder.rglob("*.png"))))
        until(page, "document.querySelectorAll('#neighbours img').length === 8")
        wide = page.execute_script("""
            const most = document.documentElement.clientWidth;
            return [...document.body.querySelectorAll("*")].filter((e) => e.getBoundingClientRect().right > most + 1)
              .map((e) => `${e.tagName}#${e.id}.${e.className}`);
        """)
        assert wide == []
        assert page.execute_script("return document.documentElement.scrollWidth") <= width
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_is_readable_in_both_themes(page: Any, theme: str) -> None:
    """Contrast of text to its ground, by WCAG 2: at least 4.5."""
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": theme}]})
    try:
        grounds = page.execute_script("""
            const ground = (e) => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
              if (c !== "rgba(0, 0, 0, 0)") return c; } return "rgb(255, 255, 255)"; };
            const kinds = "p, h1, h2, label, button, a, figcaption, li b, li span, .badge-ab, output";
            return [...document.querySelectorAll(kinds)]
              .filter((e) => e.checkVisibility() && e.textContent.trim() && !e.disabled)
              .map((e) => [getComputedStyle(e).color, ground(e), e.outerHTML.slice(0, 80)]);
        """)
    finally:
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert len(grounds) > 30
    weak = [(what, c, g) for c, g, what in grounds if contrast(c, g) < 4.5]
    assert weak == []
    dark = luminance(grounds[0][1]) < 0.1
    assert dark is (theme == "dark")


def luminance(colour: str) -> float:
    values = [float(v) / 255 for v in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    r, g, b = (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(a: str, b: str) -> float:
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


def test_watching_a_run_that_grows(opened: Any, tmp_path: Path, serve_app: Callable[[Any], Any]) -> None:
    """The page of `aegan watch` on a run that is being written: lines appear without a reload."""
    import json

    from aegan.serve.app import build_app
    from aegan.serve.following import Following

    (tmp_path / "config.yaml").write_text("run: {data: photos, strategy: latent, minutes: 1.0}\n")
    url = serve_app(build_app(None, Following(tmp_path), name="growing"))
    opened.get_log("browser")
    opened.get(url)
    until(opened, "document.body.dataset.ready")
    until(opened, "document.getElementById('run-line').textContent === 'The run is starting.'")
    assert opened.execute_script("return document.getElementById('samples').hidden") is True
    with open(tmp_path / "log.jsonl", "w") as log:
        log.write(json.dumps({"event": "stage", "stage": "compress", "step": 0, "seconds": 0}) + "\n")
        for step in range(1, 6):
            line = {"step": 10 * step, "stage": "compress", "seconds": 2.0 * step, "images": 640 * step,
                    "images_per_second": 320.0, "terms": {"AE.L1": 1 / step}, "watch": {}}  # fmt: skip
            log.write(json.dumps(line) + "\n")
    until(opened, "document.querySelectorAll('#charts polyline').length === 2")
    assert "compress" in text(opened, "run-line") and "0:50left" in text(opened, "run-tiles")
    assert [line["message"] for line in opened.get_log("browser")] == []
