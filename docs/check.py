"""Check the built site: ``python docs/check.py docs/_build/html [--shots FOLDER]``.

Files: every page, picture, script, style and anchor that a page refers to exists.
Browser, where Chromium is installed or named by CHROMIUM: a page of each kind, at the
width of a desktop and of a phone, has no error in its console, no broken picture, no
request that leaves the site, and is no wider than the screen. The search finds a page.
"""

import argparse
import functools
import http.server
import os
import shutil
import sys
import threading
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

PAGES = [
    "index.html",
    "get_started/index.html",
    "user_guide/uncertainty.html",
    "reference/generated/fastmlp.MLPClassifier.html",
    "auto_examples/index.html",
    "auto_lecture/index.html",
    "auto_lecture/plot_05_graphs.html",
    "auto_lecture/plot_13_representations.html",
    "auto_examples/plot_change_one_import.html",
    "auto_examples/plot_exchange.html",
    "auto_examples/plot_reading.html",
    "promises/differences.html",
]
WIDTHS = {"desktop": (1280, 900), "phone": (390, 844)}
REFERENCES = {"a": "href", "link": "href", "script": "src", "img": "src"}


class Page(HTMLParser):
    """The links of a page, and the anchors that it has."""

    def __init__(self, path):
        super().__init__()
        self.references, self.anchors = [], set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        """Take what a tag refers to, and its names."""
        attrs = dict(attrs)
        self.anchors |= {attrs.get("id"), attrs.get("name")}
        reference = attrs.get(REFERENCES.get(tag))
        if reference:
            self.references.append(reference)


def missing_files(root):
    """Sentences about references of pages to what is not there."""
    pages = {path: Page(path) for path in root.rglob("*.html")}
    for path, page in pages.items():
        here = path.relative_to(root).as_posix()
        for reference in page.references:
            url, anchor = urldefrag(urljoin(f"site:///{here}", reference))
            parts = urlsplit(url)
            if parts.scheme != "site":
                continue
            target = root / unquote(parts.path).lstrip("/")
            if not target.is_file():
                yield f"{here} refers to {reference}, which does not exist"
            elif anchor and target in pages and anchor not in pages[target].anchors:
                yield f"{here} refers to {reference}, whose anchor does not exist"


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves the site, silently."""

    def log_message(self, *args):
        """Say nothing."""


def faults_in_browser(root, chromium, shots):
    """Sentences about what goes wrong when a browser shows the pages."""
    from playwright.sync_api import sync_playwright

    handler = functools.partial(Handler, directory=str(root))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_port}/"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox"]
        )
        for kind, (width, height) in WIDTHS.items():
            tab = browser.new_page(viewport={"width": width, "height": height})
            for name in PAGES:
                for fault in faults_of_page(tab, base, name, width):
                    yield f"{name} ({kind}): {fault}"
                if shots:
                    stem = name.removesuffix(".html").replace("/", "-")
                    tab.screenshot(path=shots / f"{stem}-{kind}.png")
                    tab.screenshot(
                        path=shots / f"{stem}-{kind}-all.png", full_page=True
                    )
        tab.goto(f"{base}search.html?q=predict_interval")
        found = "#search-results li a"
        tab.wait_for_selector(found, timeout=60_000)
        if not tab.locator(found).count():
            yield "the search finds nothing"
        browser.close()
    server.shutdown()


def faults_of_page(tab, base, name, width):
    """Open a page; sentences about its errors, pictures, requests and width."""
    errors, requests = [], []
    listeners = {
        "console": lambda m: errors.append(m.text) if m.type == "error" else None,
        "pageerror": lambda error: errors.append(str(error)),
        "request": lambda request: requests.append(request.url),
    }
    for event, listener in listeners.items():
        tab.on(event, listener)
    tab.goto(base + name, wait_until="load", timeout=120_000)
    tab.evaluate(
        "Promise.all([...document.images].map(i => {i.loading = 'eager';"
        "return i.decode().catch(() => 0)}))"
    )
    broken = tab.evaluate(
        "[...document.images].filter(i => !i.naturalWidth).map(i => i.src)"
    )
    wide = tab.evaluate("document.documentElement.scrollWidth")
    for event, listener in listeners.items():
        tab.remove_listener(event, listener)
    yield from (f"error in the console: {error}" for error in errors)
    yield from (f"broken picture: {source}" for source in broken)
    local = (base, "data:", "blob:")
    yield from (f"leaves the site: {u}" for u in requests if not u.startswith(local))
    if wide > width:
        yield f"is {wide} pixels wide on a screen of {width}"


def main():
    """Run both checks; the exit status is 1 if one finds a fault."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("site", type=Path, help="folder of the built site")
    parser.add_argument("--shots", type=Path, help="folder for screenshots")
    options = parser.parse_args()
    if options.shots:
        options.shots.mkdir(parents=True, exist_ok=True)
    faults = list(missing_files(options.site))
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if chromium:
        faults += faults_in_browser(options.site, chromium, options.shots)
    else:
        sys.stdout.write("No Chromium is installed: the files alone are checked.\n")
    sys.stdout.write("".join(f"{fault}\n" for fault in faults))
    sys.stdout.write(f"{len(faults)} faults\n")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
