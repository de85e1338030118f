"""Pictures of the page of `aegan serve`, for the docs and for looking at: light, dark, and as wide as a phone.

Needs Debian's chromium and chromium-driver, and aegan[dev]. Example: python bench/screenshots.py RUN --out shots/
"""

from __future__ import annotations

import argparse
import io
import shutil
import threading
from pathlib import Path
from typing import Any

WIDTHS = {"light": 1100, "dark": 1100, "phone": 375}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--out", type=Path, default=Path("shots"))
    parser.add_argument("--watch", action="store_true", help="the page of `aegan watch` instead")
    parser.add_argument("--docs", type=Path, help="also writes the upper part of the light page here")
    parser.add_argument("--image", type=Path, help="a picture to encode; default: a sample of the model")
    chosen = parser.parse_args()

    import uvicorn
    from PIL import Image

    import aegan
    from aegan.runs.folder import Run
    from aegan.serve.app import build_app
    from aegan.serve.following import Following
    from aegan.serve.listening import listen
    from aegan.serve.play import Play

    model = None if chosen.watch else aegan.load(chosen.run)
    play = None if model is None else Play(model, Run(chosen.run))
    sock = listen("127.0.0.1", 0)
    app = build_app(play, Following(chosen.run), name=chosen.run.resolve().name)
    server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]})
    thread.start()
    chosen.out.mkdir(parents=True, exist_ok=True)
    image = chosen.image
    if image is None and model is not None and "encode" in model.capabilities:
        from aegan.cli._shared import write_items

        image = chosen.out / "upload.png"
        write_items(image, model.sample(1, seed=7), columns=1)
    try:
        for name, width in WIDTHS.items():
            shoot(
                f"http://127.0.0.1:{sock.getsockname()[1]}/", width, name == "dark", image, chosen.out / f"{name}.png"
            )
    finally:
        server.should_exit = True
        thread.join()
    if chosen.docs is not None:
        with Image.open(chosen.out / "light.png") as shot:
            shot.crop((0, 0, shot.width, min(shot.height, 2100))).save(chosen.docs, optimize=True)


def shoot(url: str, width: int, dark: bool, image: Path | None, path: Path) -> None:
    """The whole page as one PNG of few colours."""
    from PIL import Image
    from selenium.webdriver.support.ui import WebDriverWait

    driver = browser(width)
    try:
        theme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [theme]})
        driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500},
        )
        driver.get(url)
        wait = WebDriverWait(driver, 60)
        wait.until(lambda d: d.execute_script("return document.body.dataset.ready"))
        if image is not None:
            driver.find_element("id", "file").send_keys(str(image.resolve()))
            wait.until(lambda d: d.execute_script("return document.querySelectorAll('#neighbours img').length"))
        wait.until(lambda d: d.execute_script("return document.querySelectorAll('#charts figure').length"))
        height = driver.execute_script("return document.documentElement.scrollHeight")
        driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500},
        )
        with Image.open(io.BytesIO(driver.get_screenshot_as_png())) as shot:
            shot.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    finally:
        driver.quit()


def browser(width: int) -> Any:
    """A headless chromium."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    for flag in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--hide-scrollbars",
        f"--window-size={width},900",
    ):
        options.add_argument(flag)
    options.binary_location = shutil.which("chromium") or ""
    return webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))


if __name__ == "__main__":
    main()
