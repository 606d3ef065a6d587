"""The page of a two-alternative test, as HTML that needs nothing else: see `minigen.metrics.human`."""

import json
from typing import Any

from .._util.data_url import data_url

__all__ = ["sheet_page"]

_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Which image is real?</title>
<style>
* { box-sizing: border-box }
body { margin: 0; background: #808080; color: #111; font: 18px/1.5 system-ui, sans-serif }
main { max-width: 46rem; min-height: 100vh; margin: 0 auto; padding: 1.5rem 1rem; background: #f4f4f4 }
h1 { font-size: 1.5rem; margin: 0 0 .8rem }
[hidden] { display: none !important }
.pair { display: flex; justify-content: center; gap: 2rem; margin: 1.5rem 0 }
.choice { padding: .6rem; border: 3px solid transparent; border-radius: .5rem; background: #fff; cursor: pointer }
.choice:hover, .choice:focus-visible { border-color: #0072b2; outline: none }
canvas { display: block; width: min(17rem, 36vw); height: auto; image-rendering: pixelated }
.key { display: block; margin-top: .5rem; font-size: 1rem; text-align: center; color: #333 }
.bar { height: .6rem; background: #d0d0d0; border-radius: .3rem }
.bar i { display: block; height: 100%; width: 0; background: #0072b2; border-radius: .3rem }
button.main { font: inherit; padding: .5rem 1.4rem; border: 0; border-radius: .4rem; background: #0072b2; color: #fff }
button.main { cursor: pointer }
button.plain { font: inherit; background: none; border: 1px solid #777; border-radius: .4rem; padding: .5rem 1rem }
input { font: inherit; padding: .3rem .5rem; border: 1px solid #777; border-radius: .3rem }
kbd { border: 1px solid #777; border-radius: .25rem; padding: 0 .4rem; background: #fff; font: inherit }
.warn { background: #fff4d6; padding: .5rem .8rem }
</style>
</head>
<body>
<main>
<section id="intro">
<h1>Which image is real?</h1>
<p>You will see <b id="count"></b> pairs of images. In each pair one image is real, and a computer program made the
other. Both show the same kind of thing.</p>
<p>Choose the <b>real</b> one: press <kbd>&larr;</kbd> or <kbd>&rarr;</kbd>, or click on it. If you are not sure, guess.
You cannot go back. Take the time that you need; two or three seconds a pair are usual.</p>
<p>You may close the page and go on later. At the end you save a file with your answers. Nothing is sent anywhere.</p>
<p><label>Your name, or a number (optional): <input id="rater" maxlength="40" autocomplete="off"></label></p>
<p class="warn" id="memory" hidden>This browser does not let the page store your answers: do not reload or close it
before the end.</p>
<p><button class="main" id="start">Start</button></p>
</section>
<section id="trial" hidden>
<p><span id="place" aria-live="polite"></span>: which image is real?</p>
<div class="bar"><i id="done"></i></div>
<div class="pair">
<button class="choice" id="left" aria-label="the left image is real">
<canvas></canvas><span class="key">&larr; left</span></button>
<button class="choice" id="right" aria-label="the right image is real">
<canvas></canvas><span class="key">right &rarr;</span></button>
</div>
</section>
<section id="end" hidden>
<h1>Done. Thank you!</h1>
<p>Save your answers, and give the file to the person who gave you this page.</p>
<p><button class="main" id="save">Save my answers</button></p>
<p id="next" hidden>Saved. <button class="plain" id="again">Let the next person begin</button> (this deletes the answers
in this browser, not the file)</p>
</section>
</main>
<script>
"use strict";
const SHEET = @SHEET@;
const SPRITE = "@SPRITE@";
const byId = name => document.getElementById(name);
const store = "minigen-human-" + SHEET.sheet;
let state = load(), shown = 0, ready = false;

function fresh() { return {rater: "", session: randomName(), answers: []}; }
function randomName() { return Array.from({length: 4}, () => Math.random().toString(36).slice(2, 7)).join(""); }
function load() {
  try {
    const kept = JSON.parse(localStorage.getItem(store));
    if (kept && Array.isArray(kept.answers)) return kept;
  } catch (error) { /* nothing is kept */ }
  return fresh();
}
function keep() {
  try { localStorage.setItem(store, JSON.stringify(state)); return true; } catch (error) { return false; }
}
function show(name) { for (const each of ["intro", "trial", "end"]) byId(each).hidden = each !== name; }
function draw(canvas, cell) {
  const side = SHEET.size, scale = Math.max(1, Math.round(272 / side));
  canvas.width = canvas.height = side * scale;
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = false;
  const x = cell % SHEET.columns * side, y = Math.floor(cell / SHEET.columns) * side;
  context.drawImage(sprite, x, y, side, side, 0, 0, side * scale, side * scale);
}
function next() {
  const i = state.answers.length;
  if (i >= SHEET.trials) { ready = false; show("end"); return; }
  show("trial");
  byId("place").textContent = "Pair " + (i + 1) + " of " + SHEET.trials;
  byId("done").style.width = 100 * i / SHEET.trials + "%";
  draw(byId("left").querySelector("canvas"), 2 * i);
  draw(byId("right").querySelector("canvas"), 2 * i + 1);
  document.activeElement.blur();
  shown = performance.now();
  ready = true;
}
function answer(choice) {
  if (!ready) return;
  ready = false;
  const milliseconds = Math.round(performance.now() - shown);
  state.answers.push({trial: state.answers.length, choice, milliseconds});
  keep();
  next();
}
function begin() {
  state.rater = byId("rater").value.trim();
  keep();
  next();
}
function save() {
  const content = {schema: "minigen-human-answers-1", sheet: SHEET.sheet, ...state};
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([JSON.stringify(content, null, 1)], {type: "application/json"}));
  const name = state.rater.replace(/[^A-Za-z0-9_-]+/g, "-") || state.session.slice(0, 6);
  link.download = "answers-" + SHEET.sheet.slice(0, 8) + "-" + name + ".json";
  link.click();
  byId("next").hidden = false;
}
document.addEventListener("keydown", event => {
  if (byId("trial").hidden || event.repeat || event.ctrlKey || event.altKey || event.metaKey) return;
  const choice = {ArrowLeft: "left", ArrowRight: "right"}[event.key];
  if (choice) { event.preventDefault(); answer(choice); }
});
byId("left").addEventListener("click", () => answer("left"));
byId("right").addEventListener("click", () => answer("right"));
byId("start").addEventListener("click", begin);
byId("save").addEventListener("click", save);
byId("again").addEventListener("click", () => {
  state = fresh();
  keep();
  byId("rater").value = "";
  byId("next").hidden = true;
  show("intro");
});
byId("count").textContent = SHEET.trials;
byId("memory").hidden = keep();
const sprite = new Image();
sprite.onload = () => { if (state.answers.length) next(); };
sprite.src = SPRITE;
</script>
</body>
</html>
"""


def sheet_page(sheet: dict[str, Any], sprite: bytes) -> str:
    """Make the page of a sheet.

    Parameters
    ----------
    sheet : dict
        ``sheet`` (its name), ``trials``, ``size`` (side of an image) and ``columns`` (images in a row of the sprite).
    sprite : bytes
        A PNG file with all images: of pair i the left one is image 2 * i, the right one 2 * i + 1.

    Returns
    -------
    str
        HTML that loads nothing.  It does not hold which images are real.
    """
    return _PAGE.replace("@SHEET@", json.dumps(sheet)).replace("@SPRITE@", data_url(sprite))
