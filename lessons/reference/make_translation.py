"""Make the table and pictures of `translation.md` again: train, measure, collect.

    python lessons/reference/make_translation.py                      every row, seeds 0 to 4
    python lessons/reference/make_translation.py --rows prior-noise style --seeds 5 6
    python lessons/reference/make_translation.py --only-table         write the table of what is there already

Each model comes from ``minigen train`` and its defaults, with the arguments of its row.  Results are kept in
`translation.json`, one entry for each row and seed; what is there already is not made again, unless with ``--again``.
The pictures are of seed 0.  Needs the extra `data`.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import minigen as mg
from minigen._util.tables import replace_table
from minigen.cli import main
from minigen.data import photographs
from minigen.data.derived import thick_images
from minigen.metrics import classes_kept, psnr, translation_scores
from minigen.metrics.classical import classical_repairs
from minigen.models import image_prior, style_transfer
from minigen.models.repair import Damaged, make_damage
from minigen.plot import ImageTable
from minigen.train import load_trained

HERE = Path(__file__).resolve().parent
RESULTS, PAGE, PICTURES = HERE / "translation.json", HERE / "translation.md", HERE.parent / "pictures"

Numbers = dict[str, float]


@dataclass(frozen=True)
class Row:
    """A line of the table.

    Parameters
    ----------
    key : str
        Its name in the results and of its picture.
    task : str
        For the reader.
    command : str
        What follows ``minigen train``, or the function that needs no training data.
    ours, beside : str
        The figures that are shown, as a format string: ``{psnr:.1f}`` becomes a median with its range.
    """

    key: str
    task: str
    command: str
    ours: str
    beside: str = ""


DRAWN, OUTLINE = "{psnr:.1f} dB, absolute error {l1:.3f}", "the outline itself {psnr_copy:.1f} dB"
SHAPES = "--data edges:shapes --size 32 --epochs 6"
PAINTED = "IoU {iou:.3f}, saturation {saturation:.2f}, color right {hue:.0%}, absolute error {l1:.3f}"
TRANSLATED = (
    "{psnr:.1f} dB to the truth, back {psnr_back:.1f}, there and back {psnr_cycle:.1f}; class kept {read_ours:.1%}"
)
BESIDE_TRANSLATED = (
    "inverted input {psnr_invert:.1f} dB, {read_inverted:.1%}; unchanged input {psnr_copy:.1f} dB; "
    "true thick digits {read_truth:.1%}"
)
PRIOR = "{psnr:.1f} dB at the default end; best {psnr_best:.1f}, at step {step_best:.0f}"
ROWS = [
    Row("outline-l1", "outline to digit, L1", "pix2pix --adversarial 0", DRAWN, OUTLINE),
    Row(
        "edges-l1",
        "edges to a colored shape, L1",
        f"pix2pix {SHAPES} --adversarial 0",
        PAINTED,
        "a black image: absolute error {l1_black:.3f}",
    ),
    Row(
        "edges-adversary",
        "edges to a colored shape, L1 and an adversary",
        f"pix2pix {SHAPES}",
        PAINTED,
        "a black image: absolute error {l1_black:.3f}; color right by chance 17%",
    ),
    Row("thick", "thin light digit to thick dark digit, no pairs", "cyclegan", TRANSLATED, BESIDE_TRANSLATED),
    Row("thick-no-cycle", "the same without the cycle loss", "cyclegan --cycle 0", TRANSLATED),
    Row(
        "prior-noise",
        "image prior: noise of 25 levels on one photograph, 64 x 64",
        "image_prior",
        PRIOR,
        "non-local means {psnr_non-local means:.1f}, total variation {psnr_total variation:.1f}, "
        "Gauss {psnr_Gauss:.1f}, median {psnr_median:.1f}",
    ),
    Row(
        "prior-text",
        "image prior: text over one photograph, 64 x 64",
        "image_prior",
        PRIOR,
        "biharmonic {psnr_biharmonic:.1f} dB",
    ),
    Row(
        "prior-half",
        "image prior: half of the pixels are missing, 64 x 64",
        "image_prior",
        PRIOR,
        "biharmonic {psnr_biharmonic:.1f} dB",
    ),
    Row(
        "style",
        "style of a tissue section (`ihc`) on a photograph, 96 x 96",
        "style_transfer",
        "style loss {style_loss:.4f}, content loss {content_loss:.2f}",
    ),
]


# ---- models that are trained


def trained(row: Row, seed: int, folder: Path) -> tuple[Any, float]:
    """Train the model of a row; return it with the seconds of processor time."""
    run = folder / f"{row.key}-{seed}"
    began = time.process_time()
    if main(["train", *row.command.split(), "--seed", str(seed), "--run", str(run), "--overwrite"]):
        raise SystemExit(f"{run}: the training failed")
    return load_trained(run), time.process_time() - began


def translation(row: Row, seed: int, folder: Path) -> tuple[Numbers, ImageTable]:
    """Train a translation and measure it on the test split."""
    opened, seconds = trained(row, seed, folder)
    model, test = opened.model, opened.data("test")
    scores = translation_scores(model, test)
    unpaired = row.key.startswith("thick")
    if unpaired:
        train = mg.data.load("mnist5k")
        thick = mg.data.Dataset("thick", thick_images(train.images), train.labels, train.classes)
        scores |= {f"read_{key}": share for key, share in classes_kept(model, thick, test).items()}
    some = np.random.default_rng(0).permutation(len(test))[:12]
    shown = {"input": test.images[some], "ours": model.apply(test.images[some]), "truth": test.partners[some]}
    if unpaired:
        shown |= {
            "ours, back": model.apply(shown["ours"], back=True),
            "inverted": -test.images[some],  # the simplest way to get dark digits on a light ground
        }
    return scores | {"seconds": seconds}, pictures(row, shown)


# ---- one photograph


def crop(image: np.ndarray, size: int) -> np.ndarray:
    """The head of the photograph `astronaut`, or the corner of another one, reduced."""
    cut = mg.tensor(image[None, :, :256, 100:356])
    return mg.functional.interpolate(cut, size, mode="bicubic", antialias=True).numpy()[0].clip(-1, 1)


def written(size: int) -> np.ndarray:
    """A mask (1, size, size): 1 under lines of text."""
    picture = Image.new("L", (size, size))
    font = ImageFont.load_default(11)
    for line, top in enumerate(range(0, size, 13)):
        ImageDraw.Draw(picture).text((-5 * line % 7, top), "what is under this?"[3 * line % 8 :], 255, font)
    return (np.asarray(picture)[None] > 100).astype(np.float32)


def prior(row: Row, seed: int, folder: Path) -> tuple[Numbers, ImageTable]:
    """Measure the image prior beside classical methods that are tuned on the truth."""
    truth, rng = crop(photographs("test", 3)["astronaut"], 64), np.random.default_rng(seed)
    if row.key == "prior-noise":
        damage, mask = make_damage("noise", "25"), None
        image = (truth + 25 / 127.5 * rng.standard_normal(truth.shape)).astype(np.float32)
    else:
        half = (rng.random((1, 64, 64)) < 0.5).astype(np.float32)
        damage, mask = make_damage("hole"), half if row.key == "prior-half" else written(64)
        image = truth * (1 - mask)
    began, qualities = time.process_time(), list[float]()
    result = image_prior(
        image, mask, seed=seed, on_step=lambda step, output: qualities.append(psnr(output.clip(-1, 1), truth, mask))
    )
    scores = {
        "psnr": psnr(result.image, truth, mask),
        "psnr_best": max(qualities),
        "step_best": float(np.argmax(qualities) + 1),
        "seconds": time.process_time() - began,
    }
    damaged = Damaged(image[None], None if mask is None else mask[None], truth[None], np.array([25.0]))
    rivals = {method: repaired[0] for method, repaired in classical_repairs(damage, damaged).items()}
    scores |= {f"psnr_{method}": psnr(repaired, truth, mask) for method, repaired in rivals.items()}
    best = max(rivals, key=lambda method: scores[f"psnr_{method}"])
    return scores, pictures(row, {"input": image, "ours": result.image, best: rivals[best], "truth": truth})


def style(row: Row, seed: int, folder: Path) -> tuple[Numbers, ImageTable]:
    """Paint a photograph in the style of another picture."""
    content, model = (
        crop(photographs(split, 3)[name], 96) for split, name in (("test", "astronaut"), ("train", "ihc"))
    )
    began = time.process_time()
    made = style_transfer(content, model, 3.0, seed=seed)
    scores = {"style_loss": made.style_loss, "content_loss": made.content_loss}
    return scores | {"seconds": time.process_time() - began}, pictures(
        row, {"content": content, "style": model, "ours": made.image}
    )


def pictures(row: Row, shown: dict[str, np.ndarray]) -> ImageTable:
    """Arrays (12, C, H, W) as a row each, or images (C, H, W) beside each other."""
    single = next(iter(shown.values())).ndim == 3
    channels = max(each.shape[-3] for each in shown.values())
    images = np.stack([np.repeat(each, channels // each.shape[-3], axis=-3) for each in shown.values()]).clip(-1, 1)
    caption = f"{row.task}: {', '.join(shown)}"
    if single:
        return ImageTable(images[None], caption, columns=list(shown))
    return ImageTable(images, caption, rows=list(shown))


MEASURES: dict[str, Callable[[Row, int, Path], tuple[Numbers, ImageTable]]] = {
    "image_prior": prior,
    "style_transfer": style,
}


# ---- the page


class Seeds(list[float]):
    """The values of a figure for all seeds; its format is that of the median, with the range behind it."""

    def __format__(self, spec: str) -> str:
        """The median in the format of one number, and in brackets the least and the largest, if they differ."""
        middle, low, high = (format(value, spec) for value in (statistics.median(self), min(self), max(self)))
        return middle if low == high else f"{middle} ({low} to {high})"


def table(results: dict[str, Numbers]) -> list[str]:
    """A line for each row: medians and ranges over the seeds."""
    lines = ["| task | seeds | ours: median (range) | beside it | CPU seconds |", "|---|---|---|---|---|"]
    for row in ROWS:
        seeds = [results[key] for key in sorted(results) if key.rsplit("/", 1)[0] == row.key]
        if seeds:
            values = {name: Seeds(each[name] for each in seeds) for name in seeds[0]}
            ours, beside = row.ours.format_map(values), row.beside.format_map(values)
            lines.append(f"| {row.task} | {len(seeds)} | {ours} | {beside} | {values['seconds']:.0f} |")
        else:
            lines.append(f"| {row.task} | 0 | not measured yet | | |")
    return lines


def with_table(page: str, results: dict[str, Numbers]) -> str:
    """The page with the table between its two marks."""
    return replace_table(page, "rows", table(results))


def run() -> None:
    """Make what is asked for, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--rows", nargs="+", choices=[row.key for row in ROWS], default=[row.key for row in ROWS])
    parser.add_argument("--folder", type=Path, default=Path("translation-values"), help="where the runs go")
    parser.add_argument("--again", action="store_true", help="also make what is there already")
    parser.add_argument("--only-table", action="store_true")
    arguments = parser.parse_args()
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for seed in arguments.seeds if not arguments.only_table else ():
        for row in ROWS:
            key = f"{row.key}/{seed}"
            if row.key in arguments.rows and (key not in results or arguments.again):
                measure = MEASURES.get(row.command, translation)
                numbers, shown = measure(row, seed, arguments.folder.resolve())
                results[key] = {name: round(value, 5) for name, value in numbers.items()}
                print(key, results[key], flush=True)
                RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")
                if seed == 0:
                    shown.draw(2).quantize(256).save(PICTURES / f"translation_{row.key}.png", optimize=True)
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8"), results), encoding="utf-8")


if __name__ == "__main__":
    run()
