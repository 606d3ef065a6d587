r"""Whether people can tell generated images from real ones: a two-alternative forced choice.

A person sees a real image beside a generated one, *of the same class*, and must say which is real.  With a good
generator the person can only guess, and is right in 50 % of the pairs; with a bad one in nearly 100 %.  Forcing a
choice leaves out what "looks real" means to this person; equal classes leave out that people find some digits ugly.

- `make_sheet` makes the pairs: the real image is on the left in half of them.  Some pairs of *attention* hold noise
  in place of the generated image: who fails there did not look.  Some pairs come a second time with sides swapped:
  they measure whether a person is *consistent*.  Both are not counted in the result.
- `score_answers` reads the answers of several people.

**The interval of one person**: the number of right answers is binomial.  The usual $\hat p \pm 1.96 \sqrt{\hat p (1 -
\hat p)/n}$ has width 0 where all answers are right.  Wilson's interval holds all $p$ that the answers do not reject,
$|\hat p - p| \le z \sqrt{p (1 - p)/n}$; solving for $p$ gives

$$\frac{\hat p + z^2/2n \pm z \sqrt{\hat p (1 - \hat p)/n + z^2/4n^2}}{1 + z^2/n}$$

**The interval of several people** is a t interval over their shares.  Putting all answers together as if one person had
given them would give an interval that is too short: answers of one person are alike, and with each further *answer* it
would become shorter, also if two people disagree for ever.  What varies here is the *people*.

**What it cannot see.**  People judge one image at a time: a generator that repeats 50 good images is indistinguishable,
and so is one that copies the training set.  They are blind to a missing class.

Sources: Zhou et al. 2019, HYPE (arXiv 1904.01121), for evaluation by people; Wilson 1927, JASA 22, for the interval;
Macmillan & Creelman, Detection Theory, for the forced choice.
"""

import hashlib
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .human_page import sheet_page
from .uncertainty import Interval, t_interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["HumanResult", "RaterResult", "Sheet", "make_sheet", "match_classes", "score_answers", "wilson"]

KEY_SCHEMA = "minigen-human-key-1"
ANSWERS_SCHEMA = "minigen-human-answers-1"

FAST = 200
"""Milliseconds: a faster answer is a press of a key, not a look at two images."""

ATTENTIVE = 0.8
"""Who tells less than this share of the pairs with noise is marked: they did not look, or mistook the question."""

_SIDES = ("left", "right")


@dataclass(frozen=True)
class Sheet:
    """A page with pairs, and the key that says which images are real.

    Parameters
    ----------
    html : str
        The page for the people.
    key : dict
        What `score_answers` needs; keep it apart.
    """

    html: str
    key: dict[str, Any]


def match_classes(
    classes: "NDArray[np.int64]", labels: "NDArray[np.int64]", generator: np.random.Generator
) -> "NDArray[np.int64]":
    """Choose for each sample a real image of its class, none twice.

    Parameters
    ----------
    classes : ndarray of int (N,)
        Of the samples: what was asked for, or what a judge reads.
    labels : ndarray of int (M,)
        Of the real images.
    generator : numpy.random.Generator

    Returns
    -------
    ndarray of int (N,)
        Indices of real images.

    Raises
    ------
    ValueError
        If a class has fewer real images than samples.

    Examples
    --------
    >>> chosen = match_classes(np.array([1, 0, 1]), np.array([0, 1, 1]), np.random.default_rng(0))
    >>> chosen.tolist() in ([1, 0, 2], [2, 0, 1])
    True
    """
    chosen = np.empty(len(classes), np.int64)
    for c in np.unique(classes):
        wanted, known = np.flatnonzero(classes == c), np.flatnonzero(labels == c)
        if len(wanted) > len(known):
            raise ValueError(
                f"human: {len(wanted)} samples are of class {c}, but there are only {len(known)} real images of it: "
                "ask for fewer pairs"
            )
        chosen[wanted] = generator.permutation(known)[: len(wanted)]
    return chosen


def make_sheet(real: Any, fake: Any, attention: int = 10, repeats: int = 10, seed: int = 0, about: Any = None) -> Sheet:
    """Make the page and the key of a two-alternative test.

    Parameters
    ----------
    real, fake : ndarray (N, C, H, W)
        In [-1, 1], 1 or 3 channels, square; rounded to 256 levels.  Pair i has ``real[i]`` and ``fake[i]``, which
        should be of one class.
    attention : int
        Further pairs with noise in place of the generated image.
    repeats : int
        Pairs that come a second time, at least five pairs later; fewer if there are not enough pairs.
    seed : int
        Of the order, the sides and the noise.
    about : mapping, optional
        What else the key should hold: run, step, ...

    Returns
    -------
    Sheet

    Raises
    ------
    ValueError
        If the images are not of one shape, not floats in [-1, 1], or there are none.

    Examples
    --------
    >>> random = np.random.default_rng(0)
    >>> sheet = make_sheet(*random.uniform(-1, 1, (2, 20, 1, 8, 8)), attention=2, repeats=3)
    >>> len(sheet.key["trials"]), "real" in sheet.key["trials"][0]
    (25, True)
    """
    real, fake = _levels(real), _levels(fake)
    if real.shape != fake.shape:
        raise ValueError(
            f"human: expected as many real as generated images of one shape, got {real.shape}, {fake.shape}"
        )
    for name, value in (("attention", attention), ("repeats", repeats)):
        if value < 0:
            raise ValueError(f"human: {name} must be at least 0, got {value}")
    random = np.random.default_rng(seed)
    count = len(real)
    noise = random.integers(0, 256, (attention, *real.shape[1:]), np.uint8)
    kinds = np.repeat(["pair", "attention"], [count, attention])
    order = random.permutation(count + attention)
    sides = np.empty(count + attention, np.int64)  # where the real image is
    for kind in ("pair", "attention"):
        where = np.flatnonzero(kinds == kind)
        sides[where] = random.permutation(np.arange(len(where)) % 2)
    trials: list[dict[str, Any]] = [{"kind": str(kinds[i]), "pair": int(i), "real": _SIDES[sides[i]]} for i in order]
    trials += _repeated(trials, repeats, random)
    pictures = np.concatenate([real, real[random.integers(0, count, attention)]]), np.concatenate([fake, noise])
    cells = []
    for trial in trials:
        both = [pictures[0][trial["pair"]], pictures[1][trial["pair"]]]
        cells += both if trial["real"] == "left" else both[::-1]
    columns = 2 * math.ceil(math.sqrt(len(trials) / 2))
    sprite = _sprite(np.stack(cells), columns)
    key: dict[str, Any] = {"schema": KEY_SCHEMA, "trials": trials, "seed": seed, **(about or {})}
    # The name of a sheet is a hash of all that is on it, so answers fit one key only.
    content = json.dumps(key, sort_keys=True).encode() + sprite
    key["sheet"] = hashlib.sha256(content).hexdigest()[:16]
    sheet = {"sheet": key["sheet"], "trials": len(trials), "size": real.shape[-1], "columns": columns}
    return Sheet(sheet_page(sheet, sprite), key)


def _repeated(trials: list[dict[str, Any]], repeats: int, random: np.random.Generator) -> list[dict[str, Any]]:
    """Pairs of the beginning again, sides swapped: they come last, so at least five other pairs are between."""
    first = [i for i, trial in enumerate(trials[:-5]) if trial["kind"] == "pair"]
    chosen = random.permutation(first)[:repeats]
    swapped = {"left": "right", "right": "left"}
    return [
        {"kind": "repeat", "pair": trials[i]["pair"], "real": swapped[trials[i]["real"]], "of": int(i)} for i in chosen
    ]


def _levels(images: Any) -> "NDArray[np.uint8]":
    """Images (N, C, H, W) in [-1, 1] as 256 levels: what a picture on the screen can hold."""
    images = np.asarray(images)
    square = images.ndim == 4 and images.shape[1] in (1, 3) and images.shape[2] == images.shape[3]
    if not square or not len(images):
        raise ValueError(f"human: expected square images (N, C, H, W) with 1 or 3 channels, got {images.shape}")
    if images.dtype.kind != "f" or not (images.min() >= -1 and images.max() <= 1):
        raise ValueError(f"human: expected floats in [-1, 1], got {images.dtype}, {images.min():g} to {images.max():g}")
    return np.rint((images + 1) * 127.5).astype(np.uint8)


def _sprite(cells: "NDArray[np.uint8]", columns: int) -> bytes:
    """One PNG with all images, `columns` a row."""
    from PIL import Image

    channels, size = cells.shape[1], cells.shape[-1]
    rows = math.ceil(len(cells) / columns)
    grid = np.zeros((rows * columns, *cells.shape[1:]), np.uint8)
    grid[: len(cells)] = cells
    picture = grid.reshape(rows, columns, channels, size, size).transpose(0, 3, 1, 4, 2)
    picture = picture.reshape(rows * size, columns * size, channels)
    memory = io.BytesIO()
    Image.fromarray(picture[..., 0] if channels == 1 else picture).save(memory, "PNG", optimize=True)
    return memory.getvalue()


@dataclass(frozen=True)
class RaterResult:
    """What one person answered.

    Parameters
    ----------
    name : str
    right : int
        Pairs in which the real image was chosen, of `pairs`.
    pairs : int
        Without attention and repeated pairs.
    interval : Interval
        Of the share, by Wilson.
    left : float
        Share of the pairs with the answer left: far from 0.5 it is a habit, not a judgment.
    fast : int
        Answers, of all, in less than 200 ms.
    median_ms : float
        Of all answers.
    attention, attention_pairs : int
        Right answers where the other image is noise, and how many such pairs there are.
    consistent, repeats : int
        Repeated pairs with the same image chosen again, and how many there are.
    """

    name: str
    right: int
    pairs: int
    interval: Interval
    left: float
    fast: int
    median_ms: float
    attention: int
    attention_pairs: int
    consistent: int
    repeats: int

    @property
    def flags(self) -> list[str]:
        """What makes these answers doubtful, in words; the person is counted all the same.

        >>> one = RaterResult("a", 5, 10, wilson(5, 10), 0.5, fast=4, median_ms=150.0, attention=3,
        ...                   attention_pairs=10, consistent=5, repeats=10)
        >>> one.flags
        ['4 answers in less than 200 ms', 'sees noise in 3 of 10 pairs only']
        """
        found = []
        if self.fast:
            found.append(f"{self.fast} answer{'s' * (self.fast != 1)} in less than {FAST} ms")
        if self.attention < ATTENTIVE * self.attention_pairs:
            found.append(f"sees noise in {self.attention} of {self.attention_pairs} pairs only")
        return found


@dataclass(frozen=True)
class HumanResult:
    """What all people answered.

    Parameters
    ----------
    sheet : str
    raters : tuple of RaterResult
    interval : Interval or None
        Over people, of the mean of their shares; None for one person, of whom no interval over people is known.
    """

    sheet: str
    raters: tuple[RaterResult, ...]
    interval: Interval | None

    @property
    def verdict(self) -> str:
        """Say in one sentence what the shares mean."""
        shown = self.raters[0].interval if self.interval is None else self.interval
        low, high = max(shown.low, 0.0), min(shown.high, 1.0)
        who = "this person is" if self.interval is None else f"{len(self.raters)} people are"
        share = f"{who} right in {100 * shown.value:.0f} % of the pairs ({100 * low:.0f} to {100 * high:.0f} %)"
        if low > 0.5:
            return f"{share}: the generated images can be told from real ones"
        if high < 0.5:
            return f"{share}: the generated images look more real than real ones; look at the real ones"
        return f"{share}: no difference from guessing (50 %) was found"


def score_answers(key: Mapping[str, Any], answers: Sequence[Mapping[str, Any]]) -> HumanResult:
    """Score the answers of one or more people.

    Parameters
    ----------
    key : mapping
        ``key.json`` of the sheet.
    answers : sequence of mapping
        What the page saved, one for each person.

    Returns
    -------
    HumanResult
        Every person is counted; doubtful answers are marked (`RaterResult.flags`) and never left out.

    Raises
    ------
    ValueError
        If there are no answers, or some are of another sheet, not finished, damaged, or given twice.

    Examples
    --------
    >>> images = np.random.default_rng(0).uniform(-1, 1, (2, 30, 1, 8, 8))
    >>> key = make_sheet(*images).key
    >>> given = [{"trial": i, "choice": t["real"], "milliseconds": 900} for i, t in enumerate(key["trials"])]
    >>> score_answers(key, [{"schema": ANSWERS_SCHEMA, "sheet": key["sheet"], "answers": given}]).verdict
    'this person is right in 100 % of the pairs (89 to 100 %): the generated images can be told from real ones'
    """
    trials = _checked_key(key)
    if not answers:
        raise ValueError("human: expected the answers of at least one person, got none")
    raters: list[RaterResult] = []
    seen: dict[Any, str] = {}
    for number, one in enumerate(answers, 1):
        name = str(one.get("rater") or "") or f"person {number}"
        choices, times = _checked_answers(one, key["sheet"], len(trials), name)
        identity = one.get("session") or (*choices, *times)
        if identity in seen:
            raise ValueError(f"human: the answers of {seen[identity]} and {name} are the same: each file counts once")
        seen[identity] = name
        raters.append(_rater(name, trials, choices, times))
    interval = t_interval([rater.interval.value for rater in raters]) if len(raters) > 1 else None
    return HumanResult(key["sheet"], tuple(raters), interval)


def _rater(name: str, trials: list[Any], choices: list[str], times: list[float]) -> RaterResult:
    right = [choice == trial["real"] for choice, trial in zip(choices, trials)]
    of_kind = {k: [i for i, t in enumerate(trials) if t["kind"] == k] for k in ("pair", "attention", "repeat")}
    pairs = of_kind["pair"]
    hits = sum(right[i] for i in pairs)
    return RaterResult(
        name,
        hits,
        len(pairs),
        wilson(hits, len(pairs)),
        sum(choices[i] == "left" for i in pairs) / len(pairs),
        sum(time < FAST for time in times),
        float(np.median(times)),
        sum(right[i] for i in of_kind["attention"]),
        len(of_kind["attention"]),
        # The same image was chosen if both answers are right or both are wrong.
        sum(right[i] == right[trials[i]["of"]] for i in of_kind["repeat"]),
        len(of_kind["repeat"]),
    )


def _checked_key(key: Mapping[str, Any]) -> list[Any]:
    trials: Any = key.get("trials")
    good = key.get("schema") == KEY_SCHEMA and isinstance(key.get("sheet"), str) and isinstance(trials, list) and trials
    if not good or not all(_is_trial(trial, len(trials)) for trial in trials or ()):
        raise ValueError("human: the key is damaged; expected the key.json that minigen human wrote")
    if not any(trial["kind"] == "pair" for trial in trials or ()):
        raise ValueError("human: the key has no pair to count")
    return list(trials or ())


def _is_trial(trial: Any, count: int) -> bool:
    if not isinstance(trial, dict) or trial.get("real") not in _SIDES:
        return False
    of = trial.get("of")
    first = type(of) is int and 0 <= of < count
    return trial.get("kind") in ("pair", "attention") or (trial.get("kind") == "repeat" and first)


def _checked_answers(one: Mapping[str, Any], sheet: str, count: int, name: str) -> tuple[list[str], list[float]]:
    if one.get("schema") != ANSWERS_SCHEMA:
        raise ValueError(f"human: expected answers that the page saved, got schema {one.get('schema')!r}")
    if one.get("sheet") != sheet:
        raise ValueError(f"human: the answers of {name} are of the sheet {one.get('sheet')}, the key is of {sheet}")
    given = one.get("answers")
    if not isinstance(given, list) or not all(_is_answer(answer, count) for answer in given):
        raise ValueError(f"human: the answers of {name} are damaged; expected trial, choice and milliseconds of each")
    numbers = [answer["trial"] for answer in given]
    if len(set(numbers)) < len(numbers):
        twice = next(n for n in numbers if numbers.count(n) > 1)
        raise ValueError(f"human: the answers of {name} hold pair {twice + 1} twice")
    if len(numbers) < count:
        raise ValueError(f"human: the answers of {name} are not finished: {len(numbers)} of {count} pairs")
    ordered = sorted(given, key=lambda answer: answer["trial"])
    return [answer["choice"] for answer in ordered], [float(answer["milliseconds"]) for answer in ordered]


def _is_answer(answer: Any, count: int) -> bool:
    if not isinstance(answer, dict) or type(answer.get("trial")) is not int or not 0 <= answer["trial"] < count:
        return False
    time: Any = answer.get("milliseconds")
    return answer.get("choice") in _SIDES and type(time) in (int, float) and 0 <= time < math.inf


def wilson(successes: int, n: int, confidence: float = 0.95) -> Interval:
    """Compute Wilson's interval of a share; the file's first paragraphs derive it.

    Parameters
    ----------
    successes, n : int
        ``0 <= successes <= n``, n at least 1.
    confidence : float
        Between 0 and 1.

    Returns
    -------
    Interval
        ``value`` is successes / n; ``se`` the usual standard error.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> found = wilson(50, 100)
    >>> round(found.low, 3), round(found.high, 3)
    (0.404, 0.596)
    """
    from statistics import NormalDist

    if not (0 <= successes <= n and n >= 1 and 0 < confidence < 1):
        raise ValueError(f"wilson: expected 0 <= successes <= n and n >= 1, got {successes} of {n}, {confidence}")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = successes / n
    variance = share * (1 - share) / n
    half = z * math.sqrt(variance + z**2 / (4 * n**2)) / (1 + z**2 / n)
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    # By rounding the limits of 0 of n and n of n would miss 0 and 1 by a last bit.
    low, high = 0.0 if successes == 0 else middle - half, 1.0 if successes == n else middle + half
    return Interval(share, math.sqrt(variance), low, high)
