"""A headless Chromium for tests: Debian's, driven by its own chromedriver; nothing is downloaded."""

from __future__ import annotations

import base64
import io
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

CHROMIUM, DRIVER = Path("/usr/bin/chromium"), Path("/usr/bin/chromedriver")
ARGUMENTS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--force-color-profile=srgb",
    "--no-first-run", "--disable-quic", "--disable-background-networking", "--disable-component-update",
    "--disable-sync",
)  # fmt: skip
"""The last ones keep it from calling home."""
VARIANTS = {
    "desktop-light": {},
    "desktop-dark": {"dark": True},
    "phone-light": {"width": 390, "height": 844, "phone": True},
    "phone-dark": {"width": 390, "height": 844, "phone": True, "dark": True},
}
"""What a page is opened with."""
KEYS = {"left": "\ue012", "up": "\ue013", "right": "\ue014", "down": "\ue015", "escape": "\ue00c", "tab": "\ue004"}


class Browser:
    """A page in a window.

    Args:
        driver: selenium's.
    """

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, page: Path, width: int = 1366, height: int = 900, dark: bool = False, phone: bool = False) -> None:
        """Load a page from its file; a phone has two dots a CSS pixel and fingers."""
        size = {"width": width, "height": height, "deviceScaleFactor": 2 if phone else 1, "mobile": phone}
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.cdp("Emulation.setDeviceMetricsOverride", **size)
        self.cdp("Emulation.setTouchEmulationEnabled", enabled=phone)
        still = {
            "name": "prefers-reduced-motion",
            "value": "reduce",
        }  # a page that scrolls smoothly moves under a click
        self.cdp("Emulation.setEmulatedMedia", features=[scheme, still])
        self.driver.get(page.as_uri())
        self.js("return Promise.all([...document.images].map((image) => image.decode()))")

    def cdp(self, command: str, **options: Any) -> dict[str, Any]:
        """A command of the DevTools protocol."""
        return self.driver.execute_cdp_cmd(command, options)

    def js(self, script: str, *arguments: Any) -> Any:
        """Run a script in the page."""
        return self.driver.execute_script(script, *arguments)

    def find(self, selector: str) -> Any:
        """The first element."""
        return self.driver.find_element("css selector", selector)

    def all(self, selector: str) -> list[Any]:
        """All elements."""
        return self.driver.find_elements("css selector", selector)

    def keys(self, element: Any, *keys: str) -> None:
        """Focus an element without a click and press keys."""
        self.js("arguments[0].focus()", element)
        self.actions().send_keys(*keys).perform()

    def actions(self) -> Any:
        """A chain of inputs."""
        from selenium.webdriver import ActionChains

        return ActionChains(self.driver, duration=20)

    def drag(self, element: Any, start: tuple[int, int], by: tuple[int, int]) -> None:
        """With the mouse, from a place relative to the middle of an element."""
        self.js("arguments[0].scrollIntoView({block: 'center'})", element)
        mouse = self.actions().move_to_element_with_offset(element, *start).click_and_hold()
        mouse.move_by_offset(*by).release().perform()

    def wheel(self, element: Any, steps: int) -> None:
        """Turn it over the middle of an element; below 0 upwards."""
        from selenium.webdriver.common.actions.wheel_input import ScrollOrigin

        self.js("arguments[0].scrollIntoView({block: 'center'})", element)
        self.actions().scroll_from_origin(ScrollOrigin.from_element(element), 0, steps).perform()

    def pixels(self, element: Any) -> np.ndarray:
        """uint8 [H, W, 3] of an element as it is shown."""
        self.js("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", element)
        return np.asarray(Image.open(io.BytesIO(element.screenshot_as_png)).convert("RGB"))

    def whole_page(self) -> bytes:
        """PNG of the page from top to bottom."""
        shot = self.cdp("Page.captureScreenshot", captureBeyondViewport=True, format="png")
        return base64.b64decode(shot["data"])

    def errors(self) -> list[str]:
        """What the console was told since the last call."""
        return [entry["message"] for entry in self.driver.get_log("browser")]


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """Start one; skips where there is no Chromium, no chromedriver or no selenium."""
    webdriver = pytest.importorskip("selenium.webdriver")
    if not CHROMIUM.exists() or not DRIVER.exists():
        pytest.skip("no /usr/bin/chromium and chromedriver (Debian's packages chromium, chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for argument in (*ARGUMENTS, f"--user-data-dir={profile}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(str(DRIVER)))
    try:
        yield Browser(driver)
    finally:
        driver.quit()
        shutil.rmtree(profile, ignore_errors=True)
