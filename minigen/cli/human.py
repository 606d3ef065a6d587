"""``minigen human``."""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .._util.atomic_write import replace_file
from ..metrics.human import (
    ANSWERS_SCHEMA,
    KEY_SCHEMA,
    HumanResult,
    make_sheet,
    match_classes,
    score_answers,
    wilson,
)
from ..train import RunError, Trained
from .run_options import add_run, add_split, asked_data, opened
from .types import at_least

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..data import Dataset

__all__ = ["add_arguments", "run"]

SCORE = "score"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``minigen human``."""
    parser.usage = "minigen human RUN [options]\n       minigen human score FILE ..."
    parser.description = (
        "Ask people whether samples of a trained model can be told from real images.\n\n"
        "minigen human RUN writes sheet.html, a page for a browser without a network: pairs of a real image and a\n"
        "sample of the same class; a person chooses the real one. The person saves the answers as a file. key.json\n"
        "says which images are real: do not give it away with the page.\n\n"
        "minigen human score key.json answers-*.json reads the answers: 50 % right is guessing. 10 pairs with noise\n"
        "show who did not look, 10 repeated pairs who is not consistent; both are not counted."
    )
    add_run(parser, None, "the samples, the order and the sides")
    parser.add_argument("files", nargs="*", metavar="FILE", help="after score: key.json and the answers, in any order")
    parser.add_argument(
        "--pairs", type=at_least(1), default=100, metavar="N",
        help="pairs that count (default: 100, about 5 minutes; 200 halve the error of 50)",
    )  # fmt: skip
    parser.add_argument(
        "--out", metavar="FOLDER", help="where to write sheet.html and key.json (default: human in the run's folder)"
    )
    parser.add_argument("--json", metavar="FILE", help="after score: write the result as JSON too")
    add_split(parser)


def run(arguments: argparse.Namespace) -> None:
    """Do what ``minigen human`` was asked."""
    if arguments.model_run == SCORE:
        _score(arguments)
        return
    if arguments.files:
        raise RunError(f"minigen human RUN takes one run, got also {arguments.files[0]}; did you mean human score ...?")
    if arguments.json:
        raise RunError("--json is a flag of minigen human score")
    trained = opened(arguments)
    real = asked_data(arguments, trained)
    images, samples, how = _pairs(trained, real, arguments.pairs, arguments.seed)
    about = {
        "run": trained.run.name,
        "step": trained.step,
        "data": real.name,
        "split": arguments.split,
        "classes": how,
    }
    sheet = make_sheet(images, samples, seed=arguments.seed, about=about)
    folder = Path(arguments.out) if arguments.out else trained.run.output("human")
    folder.mkdir(parents=True, exist_ok=True)
    page, key = folder / "sheet.html", folder / "key.json"
    if key.exists() and _read(key).get("sheet") != sheet.key["sheet"]:
        raise RunError(f"{key} is the key of another sheet, perhaps with answers: give another --out FOLDER")
    replace_file(key, json.dumps(sheet.key, indent=1).encode())
    replace_file(page, sheet.html.encode())
    interval = wilson(arguments.pairs // 2, arguments.pairs)
    half = 50 * (interval.high - interval.low)
    count = f"{arguments.pairs} pair{'s' * (arguments.pairs > 1)}"
    print(f"{page}: {count}, and {len(sheet.key['trials']) - arguments.pairs} that test the person")
    print(f"  of samples of step {trained.step} and {arguments.split} images of {real.name}, {how}")
    print(f"  one person's share of right answers will be known to about +-{half:.0f} points")
    print(f"{key}: which images are real; do not give it away")
    print(f"then: minigen human score {key} answers-*.json")


def _pairs(trained: Trained, real: "Dataset", pairs: int, seed: int) -> "tuple[NDArray[Any], NDArray[Any], str]":
    """Real images, as many samples of the same classes, and how the classes of the samples are known."""
    model, generator = trained.model, np.random.default_rng(seed)
    if not hasattr(model, "sample"):
        raise RunError(f"minigen human: {model.name} makes images from images; expected a model that makes samples")
    if pairs > len(real):
        raise RunError(f"--pairs: expected at most {len(real)}, the number of images of {real.name}, got {pairs}")
    labels = generator.permutation(np.arange(pairs) % model.classes) if model.classes else None
    samples = model.sample(pairs, generator, labels)
    if real.labels is None:
        return (
            real.images[generator.permutation(len(real))[:pairs]],
            samples,
            "paired at random: the data has no classes",
        )
    how = "of the class that the model was asked for"
    if labels is None:
        labels, how = _read_classes(trained, real, samples), "of the class that a network reads in the sample"
    return real.images[match_classes(labels, real.labels, generator)], samples, how


def _read_classes(trained: Trained, real: "Dataset", samples: "NDArray[Any]") -> "NDArray[np.int64]":
    from ..metrics import load_judges, train_classifier

    judges = load_judges()
    if not judges.why_not(real):
        return judges.reader.predict(samples)
    return train_classifier(trained.data("train"), progress=True).predict(samples)


def _score(arguments: argparse.Namespace) -> None:
    if len(arguments.files) < 2:
        raise RunError("minigen human score: expected key.json and at least one file of answers")
    keys: list[dict[str, Any]] = []
    answers: list[dict[str, Any]] = []
    for name in arguments.files:
        content = _read(Path(name))
        schema = content.get("schema")
        if schema not in (KEY_SCHEMA, ANSWERS_SCHEMA):
            raise RunError(f"{name}: expected a key or answers of minigen human, got schema {schema!r}")
        (keys if schema == KEY_SCHEMA else answers).append(content)
    if len(keys) != 1:
        raise RunError(f"minigen human score: expected the key of one sheet, got {len(keys)} keys")
    result = score_answers(keys[0], answers)
    _print(result, keys[0])
    if arguments.json:
        replace_file(Path(arguments.json), json.dumps(_record(result, keys[0]), indent=1).encode())


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise RunError(f"{path}: expected a JSON file of minigen human; it is damaged or something else") from None
    if not isinstance(content, dict):
        raise RunError(f"{path}: expected a JSON object, got {type(content).__name__}")
    return content


def _print(result: HumanResult, key: Mapping[str, Any]) -> None:
    print(f"sheet {result.sheet}: {key.get('run')}, step {key.get('step')}, against {key.get('split')} images")
    width = max(6, *(len(rater.name) for rater in result.raters))
    print(f"{'person':{width}}  right          95 %          left  median   noise seen  consistent")
    for rater in result.raters:
        low, high = 100 * rater.interval.low, 100 * rater.interval.high
        share = f"{rater.right:3}/{rater.pairs:<3} {100 * rater.interval.value:3.0f} %"
        print(
            f"{rater.name:{width}}  {share}  {low:3.0f} to {high:3.0f} %  {100 * rater.left:3.0f} %  "
            f"{rater.median_ms / 1000:4.1f} s   {rater.attention:3}/{rater.attention_pairs:<3}     "
            f"{rater.consistent:3}/{rater.repeats:<3}"
        )
        for flag in rater.flags:
            print(f"{'':{width}}  doubtful: {flag}")
    print(result.verdict)
    if result.interval is None:
        print("the interval is about this person's answers; of other people it says nothing")
    else:
        print("the interval is over people, from the spread of their shares; answers are not put together")


def _record(result: HumanResult, key: Mapping[str, Any]) -> dict[str, Any]:
    about = {name: key.get(name) for name in ("run", "step", "data", "split", "classes", "seed")}
    raters = [
        {
            "name": rater.name, "right": rater.right, "pairs": rater.pairs, "share": rater.interval.value,
            "low": rater.interval.low, "high": rater.interval.high, "left": rater.left, "fast": rater.fast,
            "median_ms": rater.median_ms, "attention": rater.attention, "attention_pairs": rater.attention_pairs,
            "consistent": rater.consistent, "repeats": rater.repeats, "flags": rater.flags,
        }
        for rater in result.raters
    ]  # fmt: skip
    over = None if result.interval is None else vars(result.interval)
    return {"schema": "minigen-human-result-1", "sheet": result.sheet, **about, "raters": raters, "over_people": over}
