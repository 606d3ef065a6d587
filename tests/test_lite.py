"""The site on which the lessons run in a browser: it is built, opened in Chromium, and its first notebook is run.

Needs the extras ``lite`` and ``browser``, and Pyodide: see `test_pyodide`.  MINIGEN_LITE names a site that is there.
"""

import importlib
import importlib.util
import io
import os
import re
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from minigen.play import PlaneGame

ROOT = Path(__file__).parents[1]
RUNTIME = os.environ.get("MINIGEN_PYODIDE", "")
MINUTES = 60_000  # milliseconds


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the site."""
    if "MINIGEN_LITE" in os.environ:
        return Path(os.environ["MINIGEN_LITE"])
    if not (Path(RUNTIME) / "pyodide-lock.json").is_file():
        pytest.skip("no Pyodide: python .ci/pyodide_runtime.py FOLDER, then set MINIGEN_PYODIDE=FOLDER")
    if importlib.util.find_spec("jupyterlite_pyodide_kernel") is None:
        pytest.skip("JupyterLite is not installed: the extra lite brings it")
    folder = tmp_path_factory.mktemp("lite") / "site"
    build = [sys.executable, ROOT / "docs" / "jupyterlite" / "build.py", folder, "--pyodide", RUNTIME]
    subprocess.run(build, check=True, stdout=subprocess.DEVNULL)
    return folder


class Quiet(SimpleHTTPRequestHandler):
    """A plain web server without a log."""

    extensions_map = {**SimpleHTTPRequestHandler.extensions_map, ".wasm": "application/wasm"}  # noqa: RUF012

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def address(site):
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=site)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def test_the_lessons_are_there_with_a_cell_that_installs_minigen(site):
    names = sorted(path.name for path in (site / "files").glob("*.ipynb"))
    assert [name[:2] for name in names] == ["01", "02", "03", "07", "08", "10", "st"]
    for path in (site / "files").glob("*.ipynb"):
        text = path.read_text(encoding="utf-8")
        assert text.index("piplite.install") < text.index("import minigen")
        for picture in re.findall(r'"pictures\\" / \\"([\w.]+png)', text):
            assert (site / "files" / "pictures" / picture).is_file()


def test_a_gan_learns_the_ring_in_the_browser(browser, address):
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    page, outside = context.new_page(), []
    context.on(
        "request", lambda one: outside.append(one.url) if not one.url.startswith((address, "data:", "blob:")) else None
    )
    page.goto(f"{address}notebooks/index.html?path=start.ipynb")
    idle = page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]")
    idle.wait_for(state="attached", timeout=4 * MINUTES)  # before that, running a cell asks for a kernel
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    outputs = page.locator(".jp-OutputArea-output")
    done = outputs.filter(has_text=re.compile(r"steps: 500|Error|Traceback"))
    done.first.wait_for(state="attached", timeout=20 * MINUTES)
    said = "\n".join(outputs.all_inner_texts())
    assert "steps: 500" in said and "Error" not in said, said
    distance = outputs.filter(has_text="median distance of 500 generated points")
    distance.first.wait_for(state="attached", timeout=2 * MINUTES)
    assert float(re.search(r"circle: ([\d.]+)", distance.first.inner_text()).group(1)) < 0.1
    pictures = [one.screenshot() for one in page.locator(".jp-OutputArea-output img").all()]
    digits, live = (np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), int) for data in pictures)
    assert digits.std() > 40  # black and white
    dots = live[:, live.shape[1] * 3 // 5 :].sum(-1) < 500  # generated points, on the right
    rows, columns = np.nonzero(dots)
    assert len(rows) > 100 and np.ptp(rows) > 80 and np.ptp(columns) > 80  # all round the circle
    assert outside == []
    if os.environ.get("MINIGEN_SHOTS"):
        page.screenshot(path=Path(os.environ["MINIGEN_SHOTS"]) / "lite.png")
    context.close()


def test_the_playground_runs_in_the_tab(browser, address):
    """The page of ``minigen playground``, with Python in place of the server: the same game, the same numbers."""
    game = PlaneGame(loss="lsgan")
    game.play(20)
    expected = game.picture()
    page, outside = browser.new_page(viewport={"width": 390, "height": 844}), []
    page.on("request", lambda one: outside.append(one.url) if not one.url.startswith((address, "blob:")) else None)
    page.on("pageerror", lambda error: outside.append(str(error)))
    page.goto(f"{address}playground.html")
    page.locator("#plane[data-step='0']").wait_for(timeout=4 * MINUTES)
    assert page.is_hidden("#said")
    page.select_option("#loss", "lsgan")
    page.locator("#hint", has_text="lsgan").wait_for()
    page.fill("#steps", "20")
    page.click("#step")
    page.locator("#plane[data-step='20']").wait_for(timeout=MINUTES)
    losses = [float(page.inner_text(f"#loss-{player}")) for player in "dg"]
    assert losses == pytest.approx(expected["losses"], abs=2e-3)
    assert page.inner_text("#modes") == f"{expected['modes']} of {expected['of']}"
    assert outside == []
    page.close()


def test_the_badges_lead_where_the_repository_is(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs" / "jupyterlite")
    badges = importlib.import_module("badges")
    text = badges.PAGE.read_text(encoding="utf-8")
    assert badges.page(text, badges.source()) == text, "run python docs/jupyterlite/badges.py"
    made = badges.page(text, "https://github.com/some-one/mini.gen")
    notebooks = re.findall(
        r"github\.com/github/some-one/mini\.gen/blob/main/(lessons/\w+\.ipynb)",
        made.replace("research.google", "github"),
    )
    assert len(notebooks) == 2 and all((ROOT / name).is_file() for name in notebooks)
    assert (
        made.count("https://mybinder.org/v2/gh/some-one/mini.gen/main?labpath=lessons%2F") == 2
        and "Not verified" in made
    )
    assert badges.page(made, badges.source()) == text
