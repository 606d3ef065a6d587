"""``minigen play``: directions, the session, the HTTP contract, the exported page, and both pages in a browser."""

import base64
import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
from local_http import ask
from overlap import Overlap
from PIL import Image

from minigen.cli import main
from minigen.models import build
from minigen.play import PlaySession, find_directions, make_server, static_page
from minigen.play.session import LIMIT
from minigen.train import load_trained

pytestmark = pytest.mark.usefixtures("plain_kernels")

RUNS = {"cvae": ["--network", "mlp", "--latent", "3", "--width", "16"], "gan": ["--latent", "4"]}


def opened(trained, name):
    """A tiny run, with a decoder whose images depend on code and class: after one epoch they hardly do."""
    found = load_trained(trained / "runs" / name)
    if name == "cvae":
        found.model.adopt_average()
        last = list(found.model.decoder.parameters())[-2]
        last.data = 120 * last.data
    return found


@pytest.fixture(scope="module")
def sessions(trained):
    return {name: PlaySession(opened(trained, name)) for name in RUNS}


@pytest.fixture
def here(trained, tmp_path, monkeypatch):
    shutil.copytree(trained / "runs", tmp_path / "runs")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def servers(sessions):
    made = {name: make_server(session) for name, session in sessions.items()}
    threads = [threading.Thread(target=server.serve_forever, args=(0.05,)) for server in made.values()]
    for thread in threads:
        thread.start()
    yield made
    for server, thread in zip(made.values(), threads):
        server.shutdown()
        server.server_close()
        thread.join()


def pixels(png):
    with Image.open(io.BytesIO(png)) as picture:
        return np.asarray(picture)


def levels(images):
    """What a PNG holds of images in [-1, 1]."""
    return np.rint(255 * (np.asarray(images, float) + 1) / 2).clip(0, 255)


# ---- directions


def linear_model(weights, classes=0):
    """A model whose image is a linear function of the code; the classes differ by a constant."""

    def decode(codes, labels=None):
        offset = 0 if labels is None else 10 * np.asarray(labels)[:, None]
        return (codes @ weights.T + offset).reshape(len(codes), 1, 4, 4)

    return SimpleNamespace(latent=weights.shape[1], classes=classes, decode=decode)


@pytest.mark.parametrize("classes", [0, 3])
def test_directions_of_a_linear_model_are_its_right_singular_vectors(classes):
    generator = np.random.default_rng(1)
    left, right = (np.linalg.qr(generator.normal(size=(n, n)))[0] for n in (16, 6))
    sizes = np.array([5.0, 3.0, 2.0, 1.0, 0.5, 0.1])
    found = find_directions(linear_model(left[:, :6] * sizes @ right.T, classes), count=3, draws=4000)
    assert np.abs(np.abs(found.vectors @ right[:, :3]) - np.eye(3)).max() < 0.02
    assert np.allclose(found.shares, (sizes**2 / (sizes**2).sum())[:3], rtol=0.1)
    assert np.allclose(found.vectors @ found.vectors.T, np.eye(3))
    assert (found.vectors[np.arange(3), np.abs(found.vectors).argmax(1)] > 0).all()


def test_a_model_that_makes_one_image_only_has_shares_of_zero():
    found = find_directions(linear_model(np.zeros((16, 3))))
    assert (found.shares == 0).all() and np.isfinite(found.vectors).all()
    with pytest.raises(ValueError, match="at least 1"):
        find_directions(linear_model(np.zeros((16, 3))), count=0)


# ---- the session


def test_the_plane_goes_through_the_code(sessions):
    session = sessions["gan"]
    z = np.array([0.3, -0.2, 0.9, 0.1])
    images = session.plane(z, side=5)
    first, second = session.directions.vectors[:2]
    base = z - (z @ first) * first - (z @ second) * second
    corner = base - LIMIT * first + LIMIT * second  # top left
    right = base + LIMIT * first
    assert np.allclose(images[0], session.decode([corner])[0], atol=1e-5)
    assert np.allclose(images[2 * 5 + 4], session.decode([right])[0], atol=1e-5)


def test_a_plane_of_codes_of_two_numbers_is_the_plane_itself(trained):
    model = build("vae", size=8, latent=2, width=2, network="mlp")
    run = load_trained(trained / "runs" / "gan").run
    session = PlaySession(SimpleNamespace(model=model, run=run, step=0, class_names=(), data=lambda split: no_data()))
    assert (session.directions.vectors == np.eye(2)).all()
    assert session.training is None and "no digits here" in session.missing
    with pytest.raises(ValueError, match="no digits here"):
        session.nearest_training([0, 0])


def no_data():
    raise FileNotFoundError("no digits here")


def test_the_nearest_training_image(sessions, trained):
    session = sessions["cvae"]
    z = [0.5, -1.0, 0.2]
    image = session.decode([z], 4)[0]
    distances = np.sqrt(np.square(session.training - image).sum((1, 2, 3)))
    found = session.nearest_training(z, 4)
    assert found["index"] == distances.argmin() and abs(found["distance"] - distances.min()) < 2e-3
    assert (found["image"] == session.training[found["index"]]).all()
    data = load_trained(trained / "runs" / "cvae").data("train")
    assert (found["image"] == data.images[found["index"]]).all() and found["class"] == data.labels[found["index"]]


def test_a_drawing_is_centered_and_reconstructed(sessions, trained):
    session, model = sessions["cvae"], opened(trained, "cvae").model
    drawn = np.zeros((8, 8))
    drawn[0:2, 0:4] = 1
    found = session.reconstruct(drawn.tolist(), 3)
    expected = np.zeros((8, 8))
    expected[3:5, 2:6] = 1
    assert (found["input"][0] == 2 * expected - 1).all()
    code = model.encode(2 * expected[None, None] - 1, 3)
    assert np.allclose(found["code"], code[0]) and np.allclose(found["image"], model.decode(code, 3)[0])
    as_it_is = session.reconstruct(drawn.tolist(), 3, center=False)
    assert (as_it_is["input"][0] == 2 * drawn - 1).all()
    assert session.reconstruct(np.zeros((8, 8)).tolist(), 3)["input"].max() == -1


def test_only_models_of_images_from_vectors():
    for name in ("points", "repair"):
        trained = SimpleNamespace(model=build(name, width=4))
        with pytest.raises(ValueError, match=f"images of vectors, {name} does not"):
            PlaySession(trained)


# ---- the HTTP contract


def test_the_page_needs_no_other_host(servers):
    status, headers, body = ask(servers["gan"], "/")
    page = body.decode()
    assert status == 200 and headers["Content-Type"].startswith("text/html")
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert not re.findall(r"https?://|src=\"/|href=\"/|@import|url\(", page)


def test_what_the_page_gets_to_know(servers, sessions):
    about = json.loads(ask(servers["cvae"], "/model.json")[2])
    assert (about["model"], about["latent"], about["shape"]) == ("cvae", 3, [1, 8, 8])
    assert about["classes"] == [str(i) for i in range(10)] and about["draws"] and about["epochs"] == [0, 1]
    vectors = np.array([one["vector"] for one in about["directions"]])
    assert np.allclose(vectors, sessions["cvae"].directions.vectors, atol=1e-5)
    assert about["training"] == len(sessions["cvae"].training)
    assert not json.loads(ask(servers["gan"], "/model.json")[2])["draws"]


def test_images_are_those_of_the_model(servers, trained):
    z, model = [[0.1, 0.2, 0.3], [1, 0, -1]], opened(trained, "cvae").model
    status, headers, body = ask(servers["cvae"], "/decode", {"z": z, "label": 7})
    assert status == 200 and headers["Content-Type"] == "image/png"
    expected = levels(model.decode(np.array(z, np.float32), 7))
    assert (pixels(body) == np.concatenate(list(expected[:, 0]), axis=1)).all()
    status, _, body = ask(servers["cvae"], "/plane", {"z": z[0], "label": 7, "side": 3})
    assert status == 200 and pixels(body).shape == (24, 24)
    near = json.loads(ask(servers["cvae"], "/nearest", {"z": z[0], "label": 7})[2])
    assert near["image"].startswith("data:image/png;base64,") and set(near) == {"image", "index", "distance", "class"}
    found = json.loads(ask(servers["cvae"], "/reconstruct", {"pixels": [[0.5] * 8] * 8, "label": 7})[2])
    assert len(found["code"]) == 3 and {"image", "input"} < set(found)


def test_stored_samples(servers, trained):
    status, headers, body = ask(servers["gan"], "/samples/1.png")
    assert (status, headers["Content-Type"]) == (200, "image/png")
    assert body == (trained / "runs" / "gan" / "samples" / "epoch-0001.png").read_bytes()
    for path in ("/samples/9.png", "/samples/../config.png", "/samples/%31.png", "/config.json", "/nothing"):
        assert ask(servers["gan"], path)[0] == 404, path


WRONG = [
    ("/decode", {"z": [[0, 0]]}, 400, "rows of 4 numbers from -100 to 100, got shape (1, 2)"),
    ("/decode", {"z": []}, 400, "got shape (0,)"),
    ("/decode", {"z": [[0, 0, 0, 0]], "columns": 0}, 400, "columns: expected a whole number from 1 to 64, got 0"),
    ("/decode", {"z": [[0, 0, 0, 0]], "columns": True}, 400, "columns: expected"),
    ("/decode", {"z": [[0, 0, 0, 0]] * 65}, 400, "got shape (65, 4)"),
    ("/decode", {"z": [[0, 0], [0]]}, 400, "rows of different lengths"),
    ("/decode", {"z": [["a", 0, 0, 0]]}, 400, "z: expected"),
    ("/decode", {"z": [[None, 0, 0, 0]]}, 400, "z: expected"),
    ("/decode", {"z": [[float("nan"), 0, 0, 0]]}, 400, "got a number outside"),
    ("/decode", {"z": [[1e30, 0, 0, 0]]}, 400, "got a number outside"),
    ("/decode", {"z": [[True, False, True, True]]}, 400, "z: expected"),
    ("/decode", {}, 400, "z: missing"),
    ("/decode", {"z": [[0, 0, 0, 0]], "label": 1}, 400, "gan knows no classes"),
    ("/decode", [1], 400, "expected a JSON object, got list"),
    ("/plane", {"z": [0, 0, 0, 0], "side": 1000}, 400, "side: expected a whole number from 2 to 41"),
    ("/plane", {"z": [0, 0, 0]}, 400, "got shape (1, 3)"),
    ("/nearest", {"z": 3}, 400, "z: expected"),
    ("/reconstruct", {"pixels": [[0] * 8] * 8}, 400, "makes no codes of images"),
    ("/nothing", {}, 404, "no such page"),
]  # fmt: skip


@pytest.mark.parametrize("path, content, status, words", WRONG, ids=range(len(WRONG)))
def test_a_wrong_request_is_answered_in_one_line(servers, path, content, status, words):
    found, headers, body = ask(servers["gan"], path, content)
    assert found == status and headers["Content-Type"].startswith("text/plain")
    assert words in body.decode() and "\n" not in body.decode()
    assert ask(servers["gan"], "/decode", {"z": [[0, 0, 0, 0]]})[0] == 200  # it goes on


@pytest.mark.parametrize("label", [10, -1, "3", 3.0, None, True, [3]])
def test_a_wrong_class(servers, label):
    status, _, body = ask(servers["cvae"], "/decode", {"z": [[0, 0, 0]], "label": label})
    assert status == 400 and b"label: expected a whole number from 0 to 9" in body


@pytest.mark.parametrize("drawing", [[[0] * 8] * 7, [[2] * 8] * 8, [[float("nan")] * 8] * 8, "x", None, [[1], [1, 2]]])
def test_a_wrong_drawing(servers, drawing):
    status, _, body = ask(servers["cvae"], "/reconstruct", {"pixels": drawing, "label": 0})
    assert status == 400 and b"pixels: expected 8 rows of 8 numbers from 0 to 1" in body


def test_a_body_that_is_not_json_or_too_large(servers):
    server = servers["gan"]
    assert ask(server, "/decode", raw=b"{")[0] == 400
    assert ask(server, "/decode", raw=b"[" * 100_000)[0] == 400
    assert ask(server, "/decode", raw=b"{}", Content_Type="text/plain")[0] == 415
    for length in (2**20 + 1, 10**9, 2**40):
        assert ask(server, "/decode", raw=b"", Content_Length=str(length))[0] == 413
    assert ask(server, "/decode", raw=b"{}", Content_Length="-1")[0] == 411


def test_other_sites_are_refused(servers):
    server = servers["gan"]
    port, content = server.server_port, {"z": [[0, 0, 0, 0]]}
    for host in (
        "evil.example",
        f"evil.example:{port}",
        "127.0.0.1",
        f"127.0.0.1.evil.example:{port}",
        f"127.0.0.1:{port + 1}",
        "",
    ):
        assert ask(server, "/", Host=host)[0] == 403, host
        assert ask(server, "/decode", content, Host=host)[0] == 403, host
    for origin in ("http://evil.example", "null", f"https://127.0.0.1:{port}"):
        assert ask(server, "/decode", content, Origin=origin)[0] == 403, origin
    assert ask(server, "/", Host=f"localhost:{port}")[0] == 200
    assert ask(server, "/decode", content, Origin=f"http://127.0.0.1:{port}")[0] == 200


def test_only_this_machine_is_listened_to(servers):
    assert servers["gan"].server_address[0] == "127.0.0.1"


def test_requests_at_the_same_time_do_not_mix(servers, sessions):
    kind, overlap = type(sessions["cvae"]._model), Overlap(seconds=0.02)
    generator, asked = np.random.default_rng(0), []
    for _ in range(3):
        z, drawing = generator.normal(size=3).tolist(), generator.uniform(size=(8, 8)).tolist()
        asked.append(("/decode", {"z": [z], "label": 1}))
        asked.append(("/plane", {"z": z, "label": 2, "side": 2}))
        asked.append(("/nearest", {"z": z, "label": 3}))
        asked.append(("/reconstruct", {"pixels": drawing, "label": 4}))
    alone = [ask(servers["cvae"], *one) for one in asked]
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(len(asked)) as pool:
        for name in ("decode", "encode"):
            patch.setattr(kind, name, overlap.slow(getattr(kind, name)))
        together = list(pool.map(lambda one: ask(servers["cvae"], *one), asked))
    assert [one[::2] for one in together] == [one[::2] for one in alone]
    assert len(overlap.found) == 15 and max(overlap.found) == 0, "two threads in the model"


# ---- the command


def test_a_busy_port_costs_one_line(here, capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["play", "gan", "--no-browser", "--port", str(port)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and f"port {port} is in use" in lines[0] and "--port" in lines[0]
    assert main(["play", "gan", "--no-browser", "--port", "70000"]) == 2
    assert "port 70000 cannot be used" in capsys.readouterr().err


ADDRESS = r"runs/gan, step \d+: http://127\.0\.0\.1:\d+/ \(Ctrl-C ends it\)"


def test_ctrl_c_ends_it(here, terminal, capsys, monkeypatch):
    def service_actions(server):
        """What a server calls between two requests: by then it listens.  Those of the other tests run in threads."""
        if threading.current_thread() is threading.main_thread():
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("minigen.play.local_server.LocalServer.service_actions", service_actions)
    assert main(["play", "gan", "--no-browser"]) == 0
    out, err = capsys.readouterr()
    assert re.fullmatch(rf"{ADDRESS}\n\nstopped\n", out) and err == ""


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="sends a signal as a terminal does")
def test_ctrl_c_ends_the_process(here, terminal):
    command = [sys.executable, "-m", "minigen", "play", "gan", "--no-browser"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    line = process.stdout.readline()
    assert re.search(ADDRESS, line), line
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out.strip(), err) == (0, "stopped", "")


def test_export_mistakes(here, capsys):
    for name, words in (("x.png", "suffix .html"), ("none/x.html", "there is no folder none")):
        assert main(["play", "gan", "--export", name]) == 2
        assert words in capsys.readouterr().err


def embedded(page):
    return json.loads(re.search(r"^const STATIC = (.*);$", page, re.M)[1].replace("<\\/", "</"))


def test_the_exported_page_holds_the_planes(here, sessions, capsys):
    assert main(["play", "cvae", "--export", "page.html"]) == 0
    assert re.search(r"page of step \d+, [\d.]+ MB: page.html", capsys.readouterr().out)
    page = (here / "page.html").read_text(encoding="utf-8")
    assert not re.findall(r"https?://|src=\"/|href=\"/", page)
    held = embedded(page)
    assert [one["label"] for one in held["planes"]] == list(range(10)) and held["side"] == 21
    assert sorted(held["samples"]) == ["0", "1"]


def test_each_class_has_its_own_planes(sessions):
    session = sessions["cvae"]
    held = embedded(static_page(session))
    code = corner(session, held["base"], 1, -1)  # the lower right one
    images = [levels(session.decode([code], label)[0, 0]) for label in range(10)]
    for label in (0, 6):
        sprite = pixels(base64.b64decode(held["planes"][label]["picture"].partition(",")[2]))
        found = [np.abs(sprite[-8:, -8:] - image) for image in images]
        assert found[label].max() <= 1
        assert min(one.max() for one in found[:label] + found[label + 1 :]) > 3


def corner(session, base, right, up):
    """The code at a corner of the plane of the first two directions through a code."""
    first, second = session.directions.vectors[:2]
    rest = base - (base @ first) * first - (base @ second) * second
    return rest + LIMIT * (right * first + up * second)


def test_the_planes_go_through_the_code_that_the_page_names(sessions):
    """The plane of the last two of four directions: the code decides the place in the first two, which matter most."""
    session = sessions["gan"]
    held = embedded(static_page(session))
    sprite = pixels(base64.b64decode(held["planes"][1]["picture"].partition(",")[2]))
    third, fourth = session.directions.vectors[2:]
    rest = np.array(held["base"])
    rest = rest - (rest @ third) * third - (rest @ fourth) * fourth
    right = LIMIT * (third - fourth)
    through, middle = (levels(session.decode([code])[0, 0]) for code in (rest + right, right))
    assert held["planes"][1]["axes"] == [2, 3]
    assert np.abs(sprite[-8:, -8:] - through).max() <= 1
    assert np.abs(through - middle).max() > 3


def test_a_name_cannot_end_the_script(sessions, monkeypatch):
    session = sessions["gan"]
    about = session.describe()
    monkeypatch.setattr(session, "describe", lambda: about | {"run": "</script><b>"})
    page = static_page(session)
    assert page.count("</script>") == 1 and embedded(page)["model"]["run"] == "</script><b>"
    assert {tuple(one["axes"]) for one in embedded(page)["planes"]} == {(0, 1), (2, 3)}


# ---- in a browser


@pytest.fixture
def page(browser):
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.wrong = []
    page.on("pageerror", lambda error: page.wrong.append(str(error)))
    page.on("console", lambda message: page.wrong.append(message.text) if message.type == "error" else None)
    page.on("request", lambda one: page.wrong.append(one.url) if not one.url.startswith(page.allowed) else None)
    yield page
    assert page.wrong == []
    context.close()


def shown(page, name):
    """The pixels of a canvas, once it was painted."""
    page.locator(f"#{name}[data-painted]").wait_for(state="attached")
    return page.evaluate(f"[...document.getElementById('{name}').getContext('2d').getImageData(0, 0, 8, 8).data]")


def until_changed(page, name, before):
    for _ in range(200):
        now = shown(page, name)
        if now != before:
            return now
        page.wait_for_timeout(50)
    raise AssertionError(f"{name} did not change; {page.wrong} {page.inner_text('#said')}")


def open_page(page, url):
    page.allowed = (url, "data:", "blob:")
    page.goto(url)
    return shown(page, "sample")


def until_shows(page, session, label):
    """Wait until the page shows the image of its code."""
    for _ in range(200):
        z, image = page.evaluate("z"), np.array(shown(page, "sample")[::4])
        if np.abs(image - levels(session.decode([z], label))[0, 0].ravel()).max() <= 1:
            return np.array(z)
        page.wait_for_timeout(50)
    raise AssertionError(f"the image is not that of the code; {page.wrong} {page.inner_text('#said')}")


def test_the_page_in_a_browser(page, servers, sessions):
    session, asked = sessions["cvae"], []
    page.on("request", lambda one: asked.append(json.loads(one.post_data)) if one.url.endswith("/decode") else None)
    open_page(page, servers["cvae"].url)
    start = until_shows(page, session, 0)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.click("#classes button:nth-child(8)")
    assert (until_shows(page, session, 7) == start).all()
    assert asked[-1]["label"] == 7
    page.click("#zero")
    assert (until_shows(page, session, 7) == 0).all()
    page.focus("#direction-0")
    page.keyboard.press("End")
    assert np.allclose(until_shows(page, session, 7), LIMIT * session.directions.vectors[0], atol=1e-4)
    page.click("#plane")
    assert np.abs(until_shows(page, session, 7)).max() < 0.1  # the middle of the plane through 0
    page.focus("#plane")
    page.keyboard.press("ArrowUp")
    assert np.allclose(until_shows(page, session, 7), 0.25 * session.directions.vectors[1], atol=0.1)
    page.fill("#way", "1")
    assert np.allclose(until_shows(page, session, 7), page.evaluate("ends.b"), atol=1e-5)
    shown(page, "strip")
    page.locator("#distance", has_text="training images").wait_for()
    page.locator("#pad").scroll_into_view_if_needed()
    box = page.locator("#pad").bounding_box()
    page.mouse.move(box["x"] + 80, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 160, box["y"] + 200, steps=3)
    page.mouse.up()
    shown(page, "output")
    assert max(shown(page, "input")[::4]) > 100  # the line is thinner than a pixel of 8 in a row
    page.fill("#epoch", "0")
    assert page.get_attribute("#samples", "src") == "/samples/0.png"


def test_many_images_and_truncation_in_a_browser(page, servers, sessions):
    asked = []
    page.on("request", lambda one: asked.append(json.loads(one.post_data)) if one.url.endswith("/decode") else None)
    open_page(page, servers["cvae"].url)
    shown(page, "many")
    whole = [one for one in asked if one.get("columns") == 8][-1]
    assert np.shape(whole["z"]) == (64, 3) and np.abs(whole["z"]).max() > 1.5
    with page.expect_request(lambda one: '"columns":8' in (one.post_data or "")) as caught:
        page.fill("#truncation", "0.3")
    some = np.array(json.loads(caught.value.post_data)["z"])
    assert some.shape == (64, 3) and 0.25 < np.abs(some).max() <= 0.3
    expected = levels(sessions["cvae"].decode(some, 0))[:, 0]
    for _ in range(200):
        first = np.array(shown(page, "many")[::4])
        if np.abs(first - expected[0].ravel()).max() <= 1:
            break
        page.wait_for_timeout(50)
    else:
        raise AssertionError("the first of the many images is not that of the first code")
    size = page.evaluate("[document.getElementById('many').width, document.getElementById('many').height]")
    assert size == [64, 64]  # eight rows of eight images of 8 by 8


def test_a_picture_of_ones_own_in_a_browser(page, servers, tmp_path):
    """Dark ink on paper becomes light strokes on a dark ground."""
    paper = np.full((40, 40), 255, np.uint8)
    paper[5:35, 18:24] = 20
    Image.fromarray(paper).save(tmp_path / "one.png")
    (tmp_path / "none.png").write_bytes(b"no picture")
    open_page(page, servers["cvae"].url)
    page.set_input_files("#file", tmp_path / "one.png")
    shown(page, "output")
    pad = page.evaluate("[...document.getElementById('pad').getContext('2d').getImageData(140, 140, 1, 1).data]")
    corner = page.evaluate("[...document.getElementById('pad').getContext('2d').getImageData(2, 2, 1, 1).data]")
    assert pad[0] > 200 and corner[0] < 10
    page.set_input_files("#file", tmp_path / "none.png")
    page.locator("#said", has_text="none.png cannot be read").wait_for()


def until_press(page, selector, before):
    page.click(selector)
    return until_changed(page, "sample", before)


def test_the_exported_page_in_a_browser(page, sessions, tmp_path):
    file, session = tmp_path / "page.html", sessions["gan"]
    file.write_text(static_page(session), encoding="utf-8")
    base = embedded(file.read_text(encoding="utf-8"))["base"]
    image = open_page(page, file.as_uri())
    for slider, key, right, up in ((0, "Home", -1, None), (1, "Home", -1, -1), (0, "End", 1, -1)):
        page.focus(f"#direction-{slider}")
        page.keyboard.press(key)
        image = until_changed(page, "sample", image)
        if up is not None:
            expected = levels(session.decode([corner(session, base, right, up)]))[0, 0].ravel()
            assert np.abs(np.array(image[::4]) - expected).max() <= 1
    until_press(page, "#pairs button:nth-child(2)", image)
    assert page.is_hidden("#room-draw") and page.is_hidden("#room-way") and page.is_hidden("#nearest")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
