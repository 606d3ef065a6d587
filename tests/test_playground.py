"""``minigen playground``: the game in the plane, what detach does, the HTTP contract, the page in a browser."""

import copy
import json
import re
import threading

import numpy as np
import pytest
from local_http import ask

import minigen as mg
from minigen.cli import main
from minigen.losses import GAN_LOSSES
from minigen.play import PlaneGame, make_game_server

pytestmark = pytest.mark.usefixtures("plain_kernels")

CHOSEN = {"data": "ring8", "loss": "minimax", "detach": True, "lr_d": 0.01, "lr_g": 0.01, "seed": 3}


def weights(network):
    return np.concatenate([p.numpy().ravel() for p in network.parameters()])


# ---- the game


def test_the_same_seed_gives_the_same_game():
    pictures = []
    for seed in (1, 1, 2):
        game = PlaneGame(seed=seed)
        game.play(3)
        pictures.append(game.picture())
    assert pictures[0] == pictures[1] and pictures[0]["points"] != pictures[2]["points"]
    assert pictures[0]["step"] == 3


@pytest.mark.parametrize("loss", GAN_LOSSES)
def test_a_picture(loss):
    game = PlaneGame(loss=loss, data="grid25")
    game.play(1)
    found = game.picture()
    assert np.shape(found["points"]) == (256, 2) and np.shape(found["map"]) == (32, 32)
    assert 0 <= np.min(found["map"]) <= np.max(found["map"]) <= 1
    assert np.linalg.norm(found["arrows"], axis=1).max() == pytest.approx(1, abs=2e-3)
    assert (found["of"], found["limit"]) == (25, 6.0)
    assert found["undecided"] == [round(level, 4) for level in GAN_LOSSES[loss].undecided(0.0)[:2]]
    json.dumps(found, allow_nan=False)


def test_the_map_has_its_upper_row_first():
    game = PlaneGame()
    game.play(5)
    found = game.picture()
    ticks = (np.arange(32) + 0.5) / 32 * 4 - 2
    corner = game.discriminator(mg.tensor(np.array([[ticks[0], ticks[-1]], [ticks[-1], ticks[0]]], np.float32)))
    expected = corner.sigmoid().numpy().ravel()
    assert [found["map"][0][0], found["map"][-1][-1]] == pytest.approx(expected, abs=2e-3)


def test_arrows_are_minus_the_gradient_of_the_loss_of_g():
    game = PlaneGame()
    game.play(5)
    found = game.picture()
    points = np.array(found["points"][:20])
    critic = copy.deepcopy(game.discriminator).to(np.float64)

    def losses(points):
        return np.log1p(np.exp(-critic(mg.tensor(points)).numpy()[:, 0]))  # -log sigmoid, of each sample

    steps = 1e-6 * np.eye(2)
    numeric = np.stack([(losses(points + step) - losses(points - step)) / 2e-6 for step in steps], 1)
    wrong = np.abs(np.array(found["arrows"][:20]) * found["steepest"] + numeric).max(1)
    # The points are rounded to three digits: a few may be on the other side of a kink of the leaky ReLU.
    assert np.quantile(wrong, 0.8) < 0.02 * found["steepest"]


def test_without_detach_g_stands_still_under_minimax():
    moved = {}
    for detach in (True, False):
        game = PlaneGame(loss="minimax", detach=detach, lr_d=1e-5)
        game.play(1)
        moved[detach] = game.picture()["steepest"]
    assert moved[True] > 0.01 and moved[False] < 1e-5  # the two gradients are opposite


def test_without_detach_the_loss_of_d_reaches_g():
    games = [PlaneGame(detach=detach, seed=5) for detach in (True, False)]
    before = weights(games[0].generator)
    assert (before == weights(games[1].generator)).all()
    for game in games:
        game.play(1)
    assert (weights(games[0].discriminator) == weights(games[1].discriminator)).all()
    assert not np.allclose(weights(games[0].generator), weights(games[1].generator), atol=1e-6)


@pytest.mark.slow
def test_it_learns_the_ring():
    found = []
    for seed in range(3):
        game = PlaneGame(seed=seed)
        for _ in range(10):
            game.play(200)
        points = np.array(game.picture()["points"])
        found.append(np.abs(np.linalg.norm(points, axis=1) - 1).mean())
    assert np.median(found) < 0.2  # of a ring of radius 1; at the start it is 0.9


@pytest.mark.parametrize(
    "name, value",
    [("data", "digits"), ("loss", "wgan"), ("detach", 1), ("lr_d", 0), ("lr_g", 2), ("lr_g", "x"), ("lr_d", True),
     ("seed", -1), ("seed", 0.5)],
)  # fmt: skip
def test_a_wrong_option(name, value):
    with pytest.raises(ValueError, match=f"{name}: expected .*, got {re.escape(repr(value))}"):
        PlaneGame(**{name: value})


# ---- the HTTP contract


@pytest.fixture(scope="module")
def server():
    with make_game_server(PlaneGame()) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_the_contract(server):
    status, _, page = ask(server, "/")
    assert status == 200 and not re.findall(r"https?://|src=\"/|href=\"/|@import|url\(", page.decode())
    assert set(json.loads(ask(server, "/choices.json")[2])["loss"]) == set(GAN_LOSSES)
    assert json.loads(ask(server, "/restart", CHOSEN)[2])["step"] == 0
    assert json.loads(ask(server, "/play", {"steps": 2})[2])["step"] == 2
    for path, content, words in [
        ("/play", {"steps": 201}, "steps: expected a whole number from 0 to 200, got 201"),
        ("/play", {"steps": "2"}, "steps: expected"),
        ("/play", {}, "steps: missing"),
        ("/restart", CHOSEN | {"loss": "x"}, "loss: expected one of non_saturating"),
        ("/restart", CHOSEN | {"width": 9}, "got width"),
        ("/restart", {"data": "ring8"}, "loss: missing"),
    ]:
        status, _, said = ask(server, path, content)
        assert status == 400 and words in said.decode(), said
    assert ask(server, "/nothing")[0] == ask(server, "/nothing", {})[0] == 404
    assert ask(server, "/play", {"steps": 1}, Host="evil.example")[0] == 403
    assert json.loads(ask(server, "/play", {"steps": 0})[2])["step"] == 2  # the mistakes changed nothing


def test_a_busy_port_costs_one_line(server, capsys):
    assert main(["playground", "--no-browser", "--port", str(server.server_port)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and f"port {server.server_port} is in use" in lines[0]


# ---- in a browser


def test_the_page_in_a_browser(browser, server):
    page = browser.new_page(viewport={"width": 390, "height": 844})
    wrong = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("request", lambda one: wrong.append(one.url) if not one.url.startswith((server.url, "data:")) else None)
    page.goto(server.url)
    page.locator("#plane[data-step='0']").wait_for()
    page.fill("#steps", "3")
    page.focus("#step")
    page.keyboard.press("Enter")
    page.locator("#plane[data-step='3']").wait_for()
    page.click("#run")
    page.locator("#plane:not([data-step='3'])").wait_for()
    page.click("#run")
    page.select_option("#loss", "minimax")
    page.locator("#plane[data-step='0']").wait_for()
    page.uncheck("#detach")
    page.locator("#hint", has_text="Without detach").wait_for()
    assert page.inner_text("#level-g") == "undecided: -0.693"
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert wrong == [] and page.is_hidden("#said")
    page.close()
