"""Debian's Chromium without a network, driven by playwright: a page tells what went wrong and what it asked for."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, sync_playwright

from tests.requirements import CHROMIUM

DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
# What a page may ask for beside its own file: nothing leaves the browser.
WITHIN = ("data:", "blob:", "about:")


@contextmanager
def open_chromium() -> Iterator[Browser]:
    """Start a browser and end it; playwright brings a driver, but no browser of its own."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def open_page(browser: Browser, address: str, *, pictures: bool = False, **settings: Any) -> Iterator[Page]:
    """Open a file of this machine at the size of a desk; raise AssertionError if anything went wrong until the end.

    Nothing else must be asked for, but with `pictures` the SVG files beside it.
    """
    with new_context(browser, **settings) as context:
        faults: list[str] = []
        requested: set[str] = set()
        page = context.new_page()
        page.on("console", lambda message: faults.append(console_text(message)))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("request", lambda request: requested.add(address_of(request)))
        page.goto(address)
        yield page
        assert faults == []
        folder = address.rpartition("/")[0]
        beside = {url for url in requested if pictures and url.startswith(folder) and url.endswith(".svg")}
        assert {url for url in requested - beside if not url.startswith(WITHIN)} == {address.partition("#")[0]}


@contextmanager
def new_context(browser: Browser, **settings: Any) -> Iterator[BrowserContext]:
    """Open windows of their own that share nothing with others and have no network."""
    context = browser.new_context(**{"viewport": DESK, "offline": True, "accept_downloads": True, **settings})
    context.set_default_timeout(20_000)
    try:
        yield context
    finally:
        context.close()


def console_text(message: ConsoleMessage) -> str:
    """Return a line of the console with its kind."""
    return f"{message.type}: {message.text}"


def address_of(request: Request) -> str:
    """Return what was asked for, without the part behind "#"."""
    return request.url.partition("#")[0]


def open_again(page: Page, address: str) -> None:
    """Open an address anew, even one that differs only behind its "#"."""
    page.goto("about:blank")
    page.goto(address)
