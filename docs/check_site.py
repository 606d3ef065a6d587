"""Open every page of the built site in headless Chromium, and say what is wrong.

    python -m pip install -e ".[docs,browser]"
    python docs/build.py && python docs/check_site.py

`--pages 10` is a quick look; `--shots FOLDER` keeps pictures.

On every page: no error in the console, no request to another host, every formula drawn, none left as text, and nothing
wider than the window at 1366 and at 390 pixels.  Links and their anchors are read from the files.  The search box finds
what a newcomer looks for.
"""

import argparse
import functools
import http.server
import os
import posixpath
import re
import shutil
import sys
import threading
import urllib.parse
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
WIDTHS = {1366: 900, 390: 844}
LITE = "lite"
"""The folder of JupyterLite, a site of other makers within this one; `tests/test_lite.py` opens it."""

SEARCHES = {
    "own photographs": "guides/own_photographs.html",
    "custom dataset": "guides/own_photographs.html",
    "own images": "guides/own_photographs.html",
    "loss_d 1.386": "guides/read_the_log.html",
    "1.386": "guides/read_the_log.html",
    "WGAN-GP gradient": "losses/wgan_gp.html",
    "C kernel": "guides/check_gradients.html",
    "ctypes": "guides/check_gradients.html",
    "cite": "cite.html",
    "bibtex": "cite.html",
    "conv2d": "api/functional.html",
    "log": "guides/read_the_log.html",
    "mode collapse": "lessons/10_mode_collapse.html",
}
"""What a newcomer types, and a page that must be among the first five found."""

MEASURE = """() => {
    const wide = [];
    for (const e of document.querySelectorAll('article *, .content *')) {
        const box = e.getBoundingClientRect();
        if (box.right > innerWidth + 1 && box.width > 0) {
            let p = e.parentElement, inside = false;
            for (; p; p = p.parentElement) {
                const o = getComputedStyle(p).overflowX;
                if (o === 'auto' || o === 'scroll' || o === 'hidden') { inside = true; break; }
            }
            if (!inside) wide.push(e.tagName + '.' + e.className);
        }
    }
    return {scroll: document.documentElement.scrollWidth - innerWidth, wide: wide.slice(0, 3)};
}"""
FORMULAS = """() => {
    const walker = document.createTreeWalker(document.querySelector('article') || document.body, NodeFilter.SHOW_TEXT);
    const left = [];
    for (let n = walker.nextNode(); n; n = walker.nextNode()) {
        if (n.parentElement.closest('pre, code, script, mjx-container, .highlight')) continue;
        if (/\\\\\\(|\\\\\\[|\\$\\$|\\$[^$\\s][^$]*\\\\[a-z]/.test(n.data)) left.push(n.data.trim().slice(0, 80));
    }
    const wanted = document.querySelectorAll('.math').length;
    return {wanted, drawn: document.querySelectorAll('.math mjx-container svg').length, left: left.slice(0, 3),
            errors: [...document.querySelectorAll('[data-mml-node="merror"], mjx-merror')].map(e => e.textContent)};
}"""


class _Links(HTMLParser):
    """The addresses that a page names, and the anchors that it has."""

    def __init__(self) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.anchors: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note `href`, `src`, `id` and `name`."""
        for name, value in attrs:
            if name in ("href", "src") and value:
                self.targets.append(value)
            elif name == "id" or (name == "name" and tag == "a"):
                self.anchors.add(value or "")


def broken_links(site: Path) -> Iterator[str]:
    """Every link of the site that leads nowhere within it, and every page that loads something from another host."""
    pages = {}
    for path in site.rglob("*.html"):
        if path.is_relative_to(site / LITE):
            continue
        pages[path.relative_to(site).as_posix()] = parser = _Links()
        parser.feed(path.read_text(encoding="utf-8"))
    for name, page in pages.items():
        for target in dict.fromkeys(page.targets):
            parts = urllib.parse.urlsplit(target)
            if parts.scheme or parts.netloc or not (parts.path or parts.fragment):
                continue
            path = urllib.parse.unquote(parts.path)
            wanted = posixpath.normpath(posixpath.join(posixpath.dirname(name), path)) if path else name
            if not (site / wanted).is_file():
                yield f"{name}: the link {target} leads nowhere"
            elif parts.fragment and wanted in pages:
                anchor = urllib.parse.unquote(parts.fragment)
                if anchor not in pages[wanted].anchors:
                    yield f"{name}: the link {target} has no such anchor"


class _Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""


def _serve(site: Path) -> str:
    handler = functools.partial(_Handler, directory=str(site))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}/"


def _browser(playwright: Any) -> Any:
    """A Chromium: Playwright's own, that of the system, or that of the variable CHROMIUM."""
    system = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    return playwright.chromium.launch(executable_path=system, args=["--no-sandbox"] if system else [])


class Checker:
    """One tab of a browser that looks at pages and keeps what is wrong with them."""

    def __init__(self, browser: Any, address: str):
        self.address = address
        self.found: list[str] = []
        self.name = ""
        self.formulas = 0
        self.page = browser.new_page(viewport={"width": 1366, "height": 900})
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.found.append(f"{self.name}: {error}"))
        self.page.on("request", self._request)
        self.page.on("response", self._response)

    def _console(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.found.append(f"{self.name}: console: {message.text}")

    def _request(self, request: Any) -> None:
        if not request.url.startswith((self.address, "data:", "blob:")):
            self.found.append(f"{self.name}: a request to {request.url}")

    def _response(self, response: Any) -> None:
        if response.status >= 400:
            self.found.append(f"{self.name}: {response.url}: status {response.status}")

    def _open(self, name: str) -> None:
        """Open a page, and wait until its formulas are drawn."""
        self.page.goto(self.address + name, wait_until="load")
        self._wait_for_formulas()

    def _wait_for_formulas(self) -> None:
        if self.page.query_selector(".math"):
            self.page.wait_for_function("window.MathJax && MathJax.startup && MathJax.startup.promise")
            self.page.evaluate("MathJax.startup.promise.then(() => 0)")

    def _check_formulas(self) -> int:
        """Note formulas that are not drawn; return how many are."""
        seen = self.page.evaluate(FORMULAS)
        if seen["drawn"] < seen["wanted"] or seen["left"] or seen["errors"]:
            self.found.append(f"{self.name}: formulas: {seen}")
        return int(seen["drawn"])

    def look(self, name: str, shots: Path | None = None) -> None:
        """Open one page; check its formulas, and its width in both windows."""
        self.name = name
        self.page.set_viewport_size({"width": 1366, "height": 900})
        self._open(name)
        self.formulas += self._check_formulas()
        for width, height in WIDTHS.items():
            self.page.set_viewport_size({"width": width, "height": height})
            measured = self.page.evaluate(MEASURE)
            if measured["scroll"] > 0 or measured["wide"]:
                self.found.append(f"{name}: wider than {width} pixels: {measured}")
            if shots is not None:
                shots.mkdir(parents=True, exist_ok=True)
                self.page.screenshot(path=str(shots / f"{name.replace('/', '-')}-{width}.png"))

    def search(self, words: str, expected: str) -> None:
        """Type into the search box of the front page; `expected` must be among the first five results."""
        self.name = f"search for {words!r}"
        self.page.set_viewport_size({"width": 1366, "height": 900})
        self._open("index.html")
        self.page.fill("input[name=q]", words)
        self.page.press("input[name=q]", "Enter")
        self.page.wait_for_selector("ul.search li a, #search-results p.search-summary")
        self.page.wait_for_function("document.querySelector('p.search-summary')?.innerText.match(/found|match/)")
        links = self.page.eval_on_selector_all("ul.search > li > a", "all => all.map(a => a.href)")
        first = [re.sub(r"[?#].*", "", link).removeprefix(self.address) for link in links[:5]]
        if expected not in first:
            self.found.append(f"{self.name}: {expected} is not among the first five: {first}")
            return
        self.page.click(f"ul.search > li > a >> nth={first.index(expected)}")
        self.page.wait_for_url(f"{self.address}{expected}*")
        self._wait_for_formulas()
        self.page.wait_for_timeout(50)  # the words that were found are marked after 10 ms
        self._check_formulas()


def main() -> int:
    """Check; return 1 if something is wrong."""
    parser = argparse.ArgumentParser(description="Check the built site in headless Chromium.")
    parser.add_argument("site", type=Path, nargs="?", default=ROOT / "build" / "docs" / "site")
    parser.add_argument("--pages", type=int, help="check only this many pages, evenly spread")
    parser.add_argument("--only", nargs="+", default=[], help="only these pages, such as faq.html")
    parser.add_argument("--shots", type=Path, help="folder for a picture of each page in both widths")
    arguments = parser.parse_args()
    site = arguments.site.resolve()
    if not (site / "index.html").is_file():
        parser.error(f"{site}: there is no site; python docs/build.py builds it")
    from playwright.sync_api import sync_playwright

    every = sorted(p.relative_to(site).as_posix() for p in site.rglob("*.html") if not p.is_relative_to(site / LITE))
    pages = [name for name in every if not name.startswith("source/")]
    pages += [name for name in every if name.startswith("source/")][:: max(1, len(every) // 4)]
    if arguments.pages:
        pages = pages[:: max(1, len(pages) // arguments.pages)]
    pages = arguments.only or pages
    found = list(broken_links(site))
    with sync_playwright() as playwright:
        browser = _browser(playwright)
        checker = Checker(browser, _serve(site))
        for name in pages:
            checker.look(name, arguments.shots)
        for words, expected in SEARCHES.items():
            checker.search(words, expected)
        browser.close()
    found += checker.found
    print("\n".join(found))
    print(
        f"{len(pages)} pages in two widths, {checker.formulas} formulas, {len(SEARCHES)} searches: "
        f"{len(found)} problems"
    )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
