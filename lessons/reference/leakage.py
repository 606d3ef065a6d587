"""Membership inference from D's score and from the ELBO: the table of leakage.md.

    python lessons/reference/leakage.py              trains what is missing (about 2 minutes a run), prints the table
    python lessons/reference/leakage.py --only-runs-that-exist

Runs: DCGAN (1,500 steps) and VAE (1,000 steps), on 100 and on all 4,000 images of mnist5k, plain and with images shifted
at random (shifted_families.py).  Non-members are training images that chance left out; a run on all 4,000 has none, so
there they are the 1,000 test images, which differ from the training images also without any memory.
"""

import argparse
from pathlib import Path

from minigen.cli import main
from minigen.metrics import membership
from minigen.train import load_trained

FAMILIES = {
    "dcgan": ("dcgan", ["--network", "conv", "--batch-size", "32"], 1500),
    "shifted-dcgan": (
        f"{Path(__file__).with_name('shifted_families.py')}:ShiftedDCGAN",
        ["--network", "conv", "--batch-size", "32"],
        1500,
    ),
    "vae": ("vae", [], 1000),
    "shifted-vae": (f"{Path(__file__).with_name('shifted_families.py')}:ShiftedVAE", [], 1000),
}


def rows(seeds: int, train: bool) -> None:
    """Print one line for each run, training it first if it is not there."""
    print(f"{'run':22} {'new images':10} {'AUC':>5}  {'95 %':13}  chance  caught  AUC of the test images")
    for name, (model, options, steps) in FAMILIES.items():
        for images in (100, 4000):
            for seed in range(seeds):
                run = f"{name}-{images}-{seed}"
                if not Path("runs", run).exists():
                    if not train:
                        continue
                    numbers = ["--images", str(images), "--steps", str(steps), "--seed", str(seed)]
                    main(["train", model, *options, *numbers, "--run", run])
                print(row(run), flush=True)


def row(run: str) -> str:
    """The line of one run."""
    trained = load_trained(run)
    members, unseen, test = trained.data("train"), trained.unseen(), trained.data("test")
    found = membership(trained.model, members, test if unseen is None else unseen)
    area = found.auc
    text = f"{run:22} {'test' if unseen is None else 'unseen':10} {area.value:5.3f}  {area.low:5.3f}-{area.high:5.3f}"
    text += f"    {found.chance:.3f}   {found.caught:5.3f}"
    if unseen is not None:  # no image of either kind was used: what is not 0.5 here is a difference of the two sources
        text += f"   {membership(trained.model, unseen, test).auc.value:5.3f}"
    return text


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--only-runs-that-exist", action="store_true")
    asked = parser.parse_args()
    rows(asked.seeds, not asked.only_runs_that_exist)
