"""Train the models of translation.md, measure them, and write its table: python make_translation.py [FOLDER].

Finished runs in FOLDER (default: runs_translation) are measured and not trained again.  All of it takes about 15
minutes of one core; `--seeds 1` a third.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np

import minigen as mg
from minigen.cli import main
from minigen.data import photographs
from minigen.data.derived import thick_images
from minigen.metrics import classes_kept, psnr, translation_scores
from minigen.metrics.classical import classical_repairs
from minigen.models import image_prior, style_transfer
from minigen.models.repair import Damaged, make_damage
from minigen.plot import save_image_grid
from minigen.train import load_trained

SHAPES = ["--data", "edges:shapes", "--size", "32", "--epochs", "6"]
ROWS = {
    "thick": ["cyclegan"],
    "edges-adversary": ["pix2pix", *SHAPES],
    "edges-l1": ["pix2pix", *SHAPES, "--adversarial", "0"],
    "outline-l1": ["pix2pix", "--adversarial", "0"],
    "thick-no-cycle": ["cyclegan", "--cycle", "0"],
    "outline-adversary": ["pix2pix"],
}
"""The arguments of ``minigen train`` of each row."""

SINGLE = ("prior-noise", "prior-half", "style")
"""The rows that need no training data."""


def measure(folder: Path, name: str, seed: int) -> dict[str, float]:
    """Train one model, if it is not there yet, and measure it on the test split."""
    run, found = folder / f"{name}-{seed}", folder / f"{name}-{seed}.json"
    if found.is_file():
        return dict(json.loads(found.read_text()))
    if name in SINGLE:
        scores = single(folder, name, seed)
        found.write_text(json.dumps(scores))
        return scores
    began = time.process_time()
    if main(["train", *ROWS[name], "--seed", str(seed), "--run", str(run), "--overwrite"]):
        raise SystemExit(f"{run}: the training failed")
    seconds = time.process_time() - began
    trained = load_trained(run)
    test = trained.data("test")
    scores = translation_scores(trained.model, test)
    if name.startswith("thick"):
        train = mg.data.load("mnist5k")
        thick = mg.data.Dataset("thick", thick_images(train.images), train.labels, train.classes)
        scores |= {f"read_{key}": share for key, share in classes_kept(trained.model, thick, test).items()}
    some = np.random.default_rng(0).permutation(len(test))[:12]
    rows = [test.images[some], trained.model.apply(test.images[some]), test.partners[some]]
    if name.startswith("thick"):
        rows.append(trained.model.apply(test.partners[some], back=True))
    channels = max(each.shape[1] for each in rows)
    pictures = np.concatenate([np.repeat(each, channels // each.shape[1], axis=1) for each in rows])
    save_image_grid(folder / f"{name}-{seed}.png", pictures, 12, scale=2)
    scores["seconds"] = seconds
    found.write_text(json.dumps(scores))
    return scores


def crop(image: np.ndarray, size: int) -> np.ndarray:
    """The head of the photograph `astronaut`, or the corner of another one, reduced."""
    cut = mg.tensor(image[None, :, :256, 100:356])
    return mg.functional.interpolate(cut, size, mode="bicubic", antialias=True).numpy()[0].clip(-1, 1)


def single(folder: Path, name: str, seed: int) -> dict[str, float]:
    """Measure the image prior beside classical methods that are tuned on the truth, or style transfer."""
    truth = crop(photographs("test", 3)["astronaut"], 96 if name == "style" else 64)
    began = time.process_time()
    if name == "style":
        style = crop(photographs("train", 3)["ihc"], 96)
        made = style_transfer(truth, style, 3.0, seed=seed)
        save_image_grid(folder / f"{name}-{seed}.png", np.stack([truth, style, made.image]), 3, padding=2)
        scores = {"style_loss": made.style_loss, "content_loss": made.content_loss}
        return scores | {"seconds": time.process_time() - began}
    rng = np.random.default_rng(seed)
    if name == "prior-noise":
        damage, mask = make_damage("noise", "25"), None
        image = (truth + 25 / 127.5 * rng.standard_normal(truth.shape)).astype(np.float32)
    else:
        damage, mask = make_damage("hole"), (rng.random((1, 64, 64)) < 0.5).astype(np.float32)
        image = truth * (1 - mask)
    qualities: list[float] = []
    result = image_prior(
        image, mask, seed=seed, on_step=lambda step, output: qualities.append(psnr(output.clip(-1, 1), truth, mask))
    )
    scores = {
        "psnr": psnr(result.image, truth, mask),
        "psnr_best": max(qualities),
        "step_best": float(np.argmax(qualities)),
    }
    scores["seconds"] = time.process_time() - began
    damaged = Damaged(image[None], None if mask is None else mask[None], truth[None], np.array([25.0]))
    for method, repaired in classical_repairs(damage, damaged).items():
        scores[f"psnr_{method}"] = psnr(repaired[0], truth, mask)
    save_image_grid(folder / f"{name}-{seed}.png", np.stack([truth, image, result.image]).clip(-1, 1), 3, scale=2)
    return scores


def table(results: dict[str, list[dict[str, float]]]) -> str:
    """Lay the results out: the median of the seeds, and the range."""
    lines = ["| row | figure | median (range) | seeds |", "|---|---|---|---|"]
    for name, seeds in results.items():
        for key in seeds[0]:
            values = [each[key] for each in seeds]
            shown = f"{np.median(values):.3g} ({min(values):.3g} to {max(values):.3g})"
            lines.append(f"| {name} | {key} | {shown} | {len(values)} |")
    return "\n".join(lines)


def run() -> None:
    """Do all of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("runs_translation"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=[*ROWS, *SINGLE], default=[*ROWS, *SINGLE])
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    results: dict[str, list[dict[str, float]]] = {}
    for seed in range(arguments.seeds):
        for name in arguments.only:
            results.setdefault(name, []).append(measure(arguments.folder.resolve(), name, seed))
            print(name, seed, results[name][-1], flush=True)
    (arguments.folder / "table.md").write_text(table(results) + "\n")
    print(table(results))


if __name__ == "__main__":
    run()
