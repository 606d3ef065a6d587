"""The two-alternative test: the pairs, the page in a browser, the scores."""

import base64
import io
import json
import re
import shutil
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from minigen import metrics
from minigen.cli import main
from minigen.data import load
from minigen.metrics import human
from minigen.models import family

pytestmark = pytest.mark.usefixtures("plain_kernels")

RUNS = {"cgan": ["--network", "mlp"], "vae": ["--network", "mlp"]}


def images(n=20, size=8, seed=0, channels=1):
    return np.random.default_rng(seed).uniform(-1, 1, (2, n, channels, size, size)).astype(np.float32)


def answers(sheet, choose, rater="", milliseconds=700, session=None):
    trials = sheet.key["trials"]
    given = [{"trial": i, "choice": choose(trial), "milliseconds": milliseconds} for i, trial in enumerate(trials)]
    return {
        "schema": human.ANSWERS_SCHEMA, "sheet": sheet.key["sheet"], "rater": rater, "session": session or rater,
        "answers": given,
    }  # fmt: skip


def other(side):
    return {"left": "right", "right": "left"}[side]


def cells(sheet):
    """The images of the page in the order of the trials, as levels, read as a browser would."""
    about = json.loads(re.search(r"const SHEET = (.*);", sheet.html)[1])
    png = base64.b64decode(re.search(r'const SPRITE = "data:image/png;base64,(.*)";', sheet.html)[1])
    picture = np.asarray(Image.open(io.BytesIO(png)))
    picture = picture.reshape(*picture.shape[:2], -1)
    size, columns = about["size"], about["columns"]
    found = []
    for i in range(2 * about["trials"]):
        y, x = i // columns * size, i % columns * size
        found.append(picture[y : y + size, x : x + size].transpose(2, 0, 1))
    return found


# ---- the sheet


@pytest.mark.parametrize("channels", [1, 3])
def test_the_sheet_shows_what_the_key_says(channels):
    real, fake = images(21, channels=channels)
    sheet = human.make_sheet(real, fake, attention=4, repeats=6, seed=3)
    levels = [np.rint((x + 1) * 127.5).astype(np.uint8) for x in (real, fake)]
    shown, trials = cells(sheet), sheet.key["trials"]
    kinds = [trial["kind"] for trial in trials]
    assert (kinds.count("pair"), kinds.count("attention"), kinds.count("repeat")) == (21, 4, 6)
    assert sorted(t["pair"] for t in trials if t["kind"] == "pair") == list(range(21))
    for i, trial in enumerate(trials):
        left, right = shown[2 * i : 2 * i + 2]
        true, false = (left, right) if trial["real"] == "left" else (right, left)
        if trial["kind"] == "attention":
            assert (true == levels[0]).all((1, 2, 3)).any()
            assert not (false == levels[1]).all((1, 2, 3)).any()
        else:
            assert (true == levels[0][trial["pair"]]).all() and (false == levels[1][trial["pair"]]).all()
        if trial["kind"] == "repeat":  # the other way round, and not at once
            first = trials[trial["of"]]
            assert (first["kind"], first["pair"], first["real"]) == ("pair", trial["pair"], other(trial["real"]))
            assert i - trial["of"] > 5


@given(st.integers(1, 60), st.integers(0, 9), st.integers(0, 2**32 - 1))
def test_sides_are_balanced_and_the_order_random(pairs, attention, seed):
    trials = human.make_sheet(*images(pairs, 4), attention, 0, seed).key["trials"]
    for kind in ("pair", "attention"):
        sides = [t["real"] for t in trials if t["kind"] == kind]
        assert abs(2 * sides.count("left") - len(sides)) <= 1


def test_sides_say_nothing_about_each_other():
    trials = human.make_sheet(*images(1000, 1), 0, 0, 5).key["trials"]
    sides = np.array([t["real"] == "left" for t in trials])
    same = (sides[1:] == sides[:-1]).mean()
    assert 0.45 < same < 0.55, "a person could guess the side from the last one"


def test_the_page_does_not_tell_the_key():
    sheet = human.make_sheet(*images(), seed=1)
    text = re.sub(r'const SPRITE = ".*?";', "", sheet.html)
    assert not re.search(r"https?://|src=\"//", text), "the page must load nothing"
    about = json.loads(re.search(r"const SHEET = (.*);", text)[1])
    assert set(about) == {"sheet", "trials", "size", "columns"}
    swapped = human.make_sheet(*images()[::-1], seed=1)
    hidden = [re.sub(r'"sheet": "\w+"|const SPRITE = ".*?";', "", one.html) for one in (sheet, swapped)]
    assert hidden[0] == hidden[1], "apart from pictures and name the page does not depend on which image is real"


def test_another_model_or_seed_gives_another_name():
    real, fake = images()
    names = [human.make_sheet(real, fake, seed=s).key["sheet"] for s in (0, 0, 1)]
    names += [human.make_sheet(real, -fake).key["sheet"], human.make_sheet(real, fake, about={"step": 2}).key["sheet"]]
    assert names[0] == names[1] and len(set(names)) == 4


def test_matching_gives_each_sample_a_real_image_of_its_class():
    labels = np.repeat(np.arange(3), 10)
    classes = np.array([2, 0, 0, 2, 1] * 4)
    chosen = human.match_classes(classes, labels, np.random.default_rng(0))
    assert (labels[chosen] == classes).all() and len(set(chosen)) == len(chosen)
    with pytest.raises(ValueError, match="11 samples are of class 1, but there are only 10 real"):
        human.match_classes(np.ones(11, int), labels, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("real", "fake", "words"),
    [
        (np.zeros((2, 1, 4, 4), np.uint8), np.zeros((2, 1, 4, 4), np.uint8), r"floats in \[-1, 1\], got uint8"),
        (np.full((2, 1, 4, 4), np.nan), np.zeros((2, 1, 4, 4)), "got float64, nan to nan"),
        (np.full((2, 1, 4, 4), 1.5), np.zeros((2, 1, 4, 4)), "1.5 to 1.5"),
        (np.zeros((2, 1, 4, 4)), np.zeros((3, 1, 4, 4)), "as many real as generated"),
        (np.zeros((2, 2, 4, 4)), np.zeros((2, 2, 4, 4)), "1 or 3 channels"),
        (np.zeros((2, 1, 4, 5)), np.zeros((2, 1, 4, 5)), "square images"),
        (np.zeros((0, 1, 4, 4)), np.zeros((0, 1, 4, 4)), "square images"),
    ],
)
def test_images_that_cannot_be_shown_are_refused(real, fake, words):
    with pytest.raises(ValueError, match=words):
        human.make_sheet(real, fake)


# ---- the scores


@pytest.mark.parametrize(("n", "half"), [(50, 0.134), (100, 0.096), (200, 0.069), (400, 0.049)])
def test_wilson_at_one_half(n, half):
    found = human.wilson(n // 2, n)
    assert (found.low + found.high) / 2 == pytest.approx(0.5)
    assert (found.high - found.low) / 2 == pytest.approx(half, abs=6e-4)


@given(st.data())
def test_wilson_holds_what_the_answers_do_not_reject(data):
    n = data.draw(st.integers(1, 500))
    k = data.draw(st.integers(0, n))
    found = human.wilson(k, n)
    assert 0 <= found.low <= k / n <= found.high <= 1
    for p in (found.low, found.high):  # at the limits the answers are just 1.96 standard errors away
        if 0 < p < 1:
            assert abs(k / n - p) == pytest.approx(1.959963984540054 * np.sqrt(p * (1 - p) / n), rel=1e-9)
    stats = pytest.importorskip("scipy.stats")
    limits = stats.binomtest(k, n).proportion_ci(method="wilson")
    assert (found.low, found.high) == pytest.approx((limits.low, limits.high), abs=1e-12)


def test_perfect_and_blind_people():
    sheet = human.make_sheet(*images(40), seed=2)
    sees = human.score_answers(sheet.key, [answers(sheet, lambda t: t["real"])])
    assert sees.raters[0].right == sees.raters[0].pairs == 40 and sees.interval is None
    assert sees.raters[0].attention == 10 and sees.raters[0].consistent == 10 and not sees.raters[0].flags
    assert "can be told from real ones" in sees.verdict
    lefty = human.score_answers(sheet.key, [answers(sheet, lambda t: "left")]).raters[0]
    assert lefty.right == 20 and lefty.left == 1 and lefty.consistent == 0
    assert lefty.flags == ["sees noise in 5 of 10 pairs only"]
    fooled = human.score_answers(sheet.key, [answers(sheet, lambda t: other(t["real"]))])
    assert fooled.raters[0].right == 0 and "more real than real" in fooled.verdict
    assert fooled.raters[0].consistent == 10


def test_only_first_showings_of_pairs_count():
    sheet = human.make_sheet(*images(40), seed=2)
    found = human.score_answers(sheet.key, [answers(sheet, lambda t: t["real"] if t["kind"] == "pair" else "left")])
    assert found.raters[0].right == 40
    found = human.score_answers(
        sheet.key, [answers(sheet, lambda t: other(t["real"]) if t["kind"] == "pair" else t["real"])]
    )
    assert found.raters[0].right == 0 and found.raters[0].attention == 10 and found.raters[0].consistent == 0


def test_fast_answers_are_marked():
    sheet = human.make_sheet(*images(30))
    one = answers(sheet, lambda t: t["real"], milliseconds=200)
    one["answers"][4]["milliseconds"] = 199
    found = human.score_answers(sheet.key, [one]).raters[0]
    assert found.fast == 1 and found.flags == ["1 answer in less than 200 ms"] and found.right == 30


def test_the_interval_of_several_is_over_people():
    """Two people who disagree: pooled answers would know the share to 5 points; two people know nearly nothing."""
    sheet = human.make_sheet(*images(200, 4))
    random = np.random.default_rng(0)
    people = [
        answers(sheet, lambda t, p=p: t["real"] if random.random() < p else other(t["real"]), name)
        for name, p in (("a", 0.55), ("b", 0.95))
    ]
    found = human.score_answers(sheet.key, people)
    shares = [rater.interval.value for rater in found.raters]
    assert found.interval.value == pytest.approx(np.mean(shares))
    half = 12.7062047364 * np.std(shares, ddof=1) / np.sqrt(2)  # the quantile of t with 1 degree of freedom
    assert found.interval.high - found.interval.value == pytest.approx(half)
    pooled = human.wilson(sum(r.right for r in found.raters), 400)
    assert half > 10 * (pooled.high - pooled.low) / 2
    assert "2 people are right" in found.verdict


def damaged(change):
    sheet = human.make_sheet(*images(12))
    one, two = (answers(sheet, lambda t: t["real"], name) for name in ("ann", "bob"))
    given = change(one, two, sheet.key)
    return sheet.key, given if isinstance(given, list) else [one, two]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda one, two, key: one.update(sheet="0" * 16), "the answers of ann are of the sheet 0000"),
        (lambda one, two, key: one["answers"].pop(), "the answers of ann are not finished: 31 of 32 pairs"),
        (lambda one, two, key: two["answers"].append(dict(two["answers"][3])), "the answers of bob hold pair 4 twice"),
        (lambda one, two, key: one["answers"][0].update(choice="both"), "ann are damaged"),
        (lambda one, two, key: one["answers"][0].update(trial=99), "ann are damaged"),
        (lambda one, two, key: one["answers"][0].update(milliseconds=float("nan")), "ann are damaged"),
        (lambda one, two, key: one.update(answers=None), "ann are damaged"),
        (lambda one, two, key: one.update(schema="x"), "expected answers that the page saved"),
        (lambda one, two, key: [one, {**one, "rater": "also ann"}], "ann and also ann are the same"),
        (lambda one, two, key: [], "at least one person"),
        (lambda one, two, key: key["trials"][0].update(real="both"), "the key is damaged"),
        (lambda one, two, key: key.update(trials=[]), "the key is damaged"),
        (lambda one, two, key: key["trials"][-1].update(of=99), "the key is damaged"),
    ],
)
def test_doubtful_answers_are_refused(change, words):
    key, given = damaged(change)
    with pytest.raises(ValueError, match=words):
        human.score_answers(key, given)


def test_copies_without_a_session_are_found_by_their_answers():
    sheet = human.make_sheet(*images(12))
    one = answers(sheet, lambda t: t["real"])
    del one["session"]
    with pytest.raises(ValueError, match="person 1 and person 2 are the same"):
        human.score_answers(sheet.key, [one, dict(one)])


# ---- the command


@pytest.fixture
def here(trained, tmp_path, monkeypatch):
    shutil.copytree(trained / "runs", tmp_path / "runs")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(capsys, *arguments):
    code = main(list(map(str, arguments)))
    output = capsys.readouterr()
    return code, output.out, output.err


def test_the_command_makes_and_scores(here, capsys):
    code, out, _ = said(capsys, "human", "cgan", "--pairs", "30", "--out", "test")
    assert code == 0 and "30 pairs, and 20 that test the person" in out and "+-17 points" in out
    key = json.loads((here / "test" / "key.json").read_text())
    assert key["run"] == "cgan" and key["classes"] == "of the class that the model was asked for"
    sheet = human.Sheet("", key)
    for name, choose in (("ann", lambda t: t["real"]), ("bob", lambda t: "left")):
        (here / f"answers-{name}.json").write_text(json.dumps(answers(sheet, choose, name)))
    code, out, _ = said(
        capsys, "human", "score", "answers-bob.json", "test/key.json", "answers-ann.json", "--json", "r.json"
    )
    assert code == 0 and re.search(r"ann +30/30 +100 %", out) and re.search(r"bob +15/30 +50 %", out)
    assert "doubtful: sees noise in 5 of 10 pairs only" in out and "2 people are right in 75 %" in out
    record = json.loads((here / "r.json").read_text())
    assert [rater["name"] for rater in record["raters"]] == ["bob", "ann"] and record["over_people"]["value"] == 0.75


def test_of_a_model_without_classes_a_network_reads_them(here, capsys, monkeypatch):
    train = load("digits", "train")
    monkeypatch.setattr(family("vae"), "sample", lambda self, n, generator=None, labels=None: train.images[:n])
    monkeypatch.setattr(metrics, "train_classifier", partial(metrics.train_classifier, steps=60))
    assert said(capsys, "human", "vae", "--pairs", "40")[0] == 0
    key = json.loads((here / "runs" / "vae" / "human" / "key.json").read_text())
    assert key["classes"] == "of the class that a network reads in the sample"


def test_a_key_that_may_have_answers_is_kept(here, capsys):
    arguments = ("human", "cgan", "--pairs", "5")
    assert said(capsys, *arguments)[0] == 0
    before = (here / "runs/cgan/human/key.json").read_bytes()
    assert said(capsys, *arguments)[0] == 0  # the same sheet
    code, _, err = said(capsys, *arguments, "--seed", "1")
    assert code == 2 and "is the key of another sheet" in err
    assert (here / "runs/cgan/human/key.json").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["human", "score"], "expected key.json and at least one file of answers"),
        (["human", "score", "key.json", "nowhere.json"], "nowhere.json"),
        (["human", "score", "key.json", "key.json"], "got 2 keys"),
        (["human", "score", "key.json", "list.json"], "list.json: expected a JSON object, got list"),
        (["human", "score", "key.json", "text.json"], "text.json: expected a JSON file"),
        (["human", "score", "key.json", "odd.json"], "odd.json: expected a key or answers of minigen human"),
        (["human", "cgan", "key.json"], "takes one run, got also key.json"),
        (["human", "cgan", "--json", "x.json"], "--json is a flag of minigen human score"),
        (["human", "cgan", "--pairs", "400"], "--pairs: expected at most 355"),
        (["human", "nothing"], "no run at"),
    ],
)
def test_mistakes_cost_one_line(here, capsys, arguments, words):
    key = human.make_sheet(*images(12)).key
    for name, text in (("key", json.dumps(key)), ("list", "[]"), ("text", "{"), ("odd", "{}")):
        (here / f"{name}.json").write_text(text)
    code, _, err = said(capsys, *arguments)
    assert code == 2 and words in err and err.count("\n") == 1


# ---- the page in a browser


@pytest.fixture
def page(browser):
    context = browser.new_context(accept_downloads=True)
    page = context.new_page()
    page.wrong = []
    page.on("pageerror", lambda error: page.wrong.append(str(error)))
    page.on("console", lambda message: page.wrong.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: page.wrong.append(request.url) if request.url.startswith("http") else None)
    yield page
    assert page.wrong == []
    context.close()


def number(page):
    return int(re.match(r"Pair (\d+) of", page.text_content("#place"))[1])


def saved(page, path):
    with page.expect_download() as download:
        page.click("#save")
    download.value.save_as(path)
    return download.value.suggested_filename, json.loads(path.read_text())


def test_the_page_from_start_to_file(page, tmp_path):
    sheet = human.make_sheet(*images(24, 28), seed=4)
    trials = sheet.key["trials"]
    (tmp_path / "sheet.html").write_text(sheet.html)
    page.goto((tmp_path / "sheet.html").as_uri())
    page.keyboard.press("ArrowLeft")  # before the start a key does nothing
    assert page.is_visible("#intro") and not page.is_visible("#memory")
    page.fill("#rater", "Ann B/2")
    page.click("#start")
    assert number(page) == 1
    # The canvases show the images of the sheet, enlarged without smoothing.
    shown = page.evaluate(
        "() => ['left', 'right'].map(side => { const c = document.querySelector('#' + side + ' canvas');"
        " return [c.width, Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data)]; })"
    )
    for (side, data), expected in zip(shown, cells(sheet)[:2]):
        step = side // 28
        levels = np.array(data, np.uint8).reshape(side, side, 4)[..., 0]
        assert (levels == np.kron(expected[0], np.ones((step, step), np.uint8))).all()

    page.keyboard.down("ArrowRight")
    for _ in range(3):  # a held key: the browser repeats it
        page.keyboard.down("ArrowRight")
    page.keyboard.up("ArrowRight")
    assert number(page) == 2, "a key that is held answers once"
    for key in ("a", "Enter", " ", "ArrowUp", "Control+ArrowLeft"):
        page.keyboard.press(key)
    assert number(page) == 2, "other keys do nothing"
    for i in range(1, 20):
        page.keyboard.press("ArrowLeft" if trials[i]["real"] == "left" else "ArrowRight")
    assert number(page) == 21
    page.reload()
    page.wait_for_selector("#trial:visible")
    assert number(page) == 21, "a reload goes on where it was"
    for i in range(20, len(trials)):
        page.click(f"#{trials[i]['real']}")
    assert page.is_visible("#end")
    page.keyboard.press("ArrowLeft")  # after the end a key does nothing

    name, given = saved(page, tmp_path / "a.json")
    assert name == f"answers-{sheet.key['sheet'][:8]}-Ann-B-2.json"
    assert given["rater"] == "Ann B/2" and len(given["answers"]) == len(trials)
    expected = ["right"] + [trial["real"] for trial in trials[1:]]
    assert [answer["choice"] for answer in given["answers"]] == expected
    assert all(answer["milliseconds"] >= 0 for answer in given["answers"])
    found = human.score_answers(sheet.key, [given])
    wrong = trials[0]["real"] != "right"
    right = [found.raters[0].right, found.raters[0].attention][trials[0]["kind"] == "attention"]
    assert right == [24, 10][trials[0]["kind"] == "attention"] - wrong

    # The next person on the same computer gets a session of their own.
    page.click("#again")
    page.fill("#rater", "Bob")
    page.click("#start")
    assert number(page) == 1
    for _ in trials:
        page.keyboard.press("ArrowLeft")
    _, second = saved(page, tmp_path / "b.json")
    assert second["session"] != given["session"] and second["rater"] == "Bob"
    both = human.score_answers(sheet.key, [given, second])
    assert both.raters[1].left == 1 and both.interval is not None


def test_two_sheets_in_one_browser_keep_their_answers_apart(page, tmp_path):
    for seed in (0, 1):
        (tmp_path / f"{seed}.html").write_text(human.make_sheet(*images(12), seed=seed).html)
    page.goto((tmp_path / "0.html").as_uri())
    page.click("#start")
    for _ in range(5):
        page.keyboard.press("ArrowLeft")
    page.goto((tmp_path / "1.html").as_uri())
    assert page.is_visible("#intro")
    page.goto((tmp_path / "0.html").as_uri())
    page.wait_for_selector("#trial:visible")
    assert number(page) == 6
