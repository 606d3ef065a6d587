"""Make the tables of `expected_values.md` again: train, evaluate, collect.

    python lessons/reference/make_expected_values.py                    every row, seeds 0 to 4, as this machine is
    python lessons/reference/make_expected_values.py --settings all --seeds 0     also as on other processors
    python lessons/reference/make_expected_values.py --only-tables      write the tables of what is there already

Each number comes from the commands that the tables name.  Results are kept in `expected_values.json`, one entry for
each row, seed and setting; what is there already is not made again, unless with `--again`.  All rows with five seeds
take about three hours on two cores.  Needs the extra `data`.
"""

import argparse
import csv
import json
import re
import statistics
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minigen._util.command import run_command
from minigen._util.tables import replace_table

HERE = Path(__file__).resolve().parent
RESULTS, PAGE = HERE / "expected_values.json", HERE / "expected_values.md"

SETTINGS = {
    "default": {},
    "AVX2 kernels": {"MINIGEN_SIMD": "avx2"},
    "Haswell BLAS": {"OPENBLAS_CORETYPE": "Haswell"},
}
"""Environment variables that make this machine compute as another would."""


@dataclass(frozen=True)
class Row:
    """A line of the table.

    Parameters
    ----------
    key : str
        Its name in the results.
    measure : str
        What is measured, for the reader.
    train : str
        What follows ``minigen train``.
    evaluate : str
        What follows ``minigen evaluate RUN``, or the name of one of the `READERS`.
    pattern : str
        Finds the number in what is printed.
    bound : str
        The acceptance, for the reader; empty if there is none.
    holds : callable, optional
        Whether a number meets it.
    """

    key: str
    measure: str
    train: str
    evaluate: str
    pattern: str
    bound: str = ""
    holds: Callable[[float], bool] | None = None


ELBO, LIKELIHOOD = r"-ELBO +([-\d.]+)", r"-log p\(x\) +([-\d.]+)"
FID = r"FID, % of the variance +([\d.]+)"
ROWS = [
    Row("vae", "VAE, code of 20: -ELBO", "vae", "", ELBO, "at most 110", lambda v: v <= 110),
    Row("vae-2", "VAE, code of 2: -ELBO", "vae --latent 2", "", ELBO, "at most 150", lambda v: v <= 150),
    Row("vae-20", "VAE, to compare with the CVAE: -ELBO", "vae --epochs 20", "", ELBO),
    Row("cvae-20", "CVAE: -ELBO", "cvae --epochs 20", "", ELBO),
    Row("mlp-20", "VAE, to compare with the IWAE: -log p(x)", "vae --network mlp --epochs 20", "--samples 1000", LIKELIHOOD),
    Row("iwae-20", "IWAE (k = 50): -log p(x)", "iwae --epochs 20", "--samples 1000", LIKELIHOOD),
    Row("cgan", "CGAN: 10,000 digits read as asked for, in %", "cgan", "--classify 10000", r"read as asked +([\d.]+)%",
        "at least 97", lambda v: v >= 97),
    Row("cgan-cas", "CGAN: real test digits read by a classifier of its samples, in %", "cgan", "--classify 10000",
        r"test images read +([\d.]+)%", "at least 92", lambda v: v >= 92),
    Row("dcgan-rare", "DCGAN: the rarest digit among 1,000 samples, in %", "dcgan", "rarest", r"rarest ([\d.]+)",
        "at least 5", lambda v: v >= 5),
    Row("dcgan-agree", "DCGAN: samples on which three readers agree, in %", "dcgan", "agreement", r"agree ([\d.]+)",
        "at least 75", lambda v: v >= 75),
]  # fmt: skip


BEST = [
    Row("vae-best", "VAE, code of 20: -ELBO", "vae --prior flow", "", ELBO, "104", lambda v: v <= 104),
    Row("vae-best-fid", "VAE, code of 20: FID in % of the variance", "vae --prior flow", "", FID, "8", lambda v: v <= 8),
    Row("vae-2-best", "VAE, code of 2: -ELBO",
        "vae --latent 2 --prior flow --epochs 120 --augment rotate+scale --augment-p 0.3", "", ELBO, "146",
        lambda v: v <= 146),
    Row("gan-best-fid", "dense GAN: FID in % of the variance",
        "gan --width 256 --latent 32 --r1 0.3 --r1-every 4 --minibatch --smoothing 0 --lr 0.001 --lr-decay 1 --epochs 100",
        "", FID, "20", lambda v: v <= 20),
    Row("cgan-best", "CGAN: 10,000 digits read as asked for, in %", "cgan --lr 0.001 --epochs 80", "--classify 10000",
        r"read as asked +([\d.]+)%", "98", lambda v: v >= 98),
    Row("cgan-best-fid", "CGAN: FID in % of the variance", "cgan --lr 0.001 --epochs 80", "--classify 10000", FID, "0.8",
        lambda v: v <= 0.8),
]  # fmt: skip
"""Settings that were searched for, on other seeds and other held-out images; `Row.bound` is what was aimed at."""


LOGS = {
    "dcgan": ((1, 3, 10, 20, 30, 40), ("loss_d", "loss_g", "d_real", "d_fake"), 3),
    "gan": ((1, 5, 20, 40, 60), ("loss_d", "loss_g", "d_real", "d_fake"), 3),
    "wgan": ((1, 2, 4, 10, 20, 40), ("distance",), 3),
    "wgan-gp": ((1, 2, 4, 10, 20, 40), ("distance", "penalty"), 2),
    "vae": ((1, 5, 20, 40), ("loss", "reconstruction", "kl"), 1),
}
"""Of the log of seed 0 of these runs: means over which epochs, of which columns, with how many decimals."""

PICTURES = ("dcgan", "gan", "cgan")
"""Of seed 0 of these runs the last grid of samples is shown, as `lessons/pictures/MODEL_mnist5k.png`."""


def trained(train: str, seed: int, setting: str, folder: Path) -> Path:
    """The folder of a run, which is trained if it is not there yet."""
    name = re.sub(r"[^a-z0-9]+", "-", f"{train}-{seed}-{setting}".lower())
    path = folder / "runs" / name
    if not (path / "done").exists():
        command = [sys.executable, "-m", "minigen", "train", *train.split(), "--seed", str(seed), "--run", name]
        run_command([*command, "--overwrite"], folder, SETTINGS[setting])
        (path / "done").touch()
    return path


def made(row: Row, seed: int, setting: str, folder: Path) -> float:
    """Train (if this run is not there yet) and evaluate."""
    path, environment = trained(row.train, seed, setting, folder), SETTINGS[setting]
    if row.evaluate in READERS:
        said = run_command([sys.executable, __file__, "--read", row.evaluate, str(path)], folder, environment)
    else:
        kept = path / f"evaluate{'-'.join(row.evaluate.split())}.txt"
        if not kept.exists():
            command = [sys.executable, "-m", "minigen", "evaluate", path.name, *row.evaluate.split()]
            kept.write_text(run_command(command, folder, environment))
        said = kept.read_text()
    return float(re.search(row.pattern, said)[1])  # type: ignore[index]


def logged(model: str, folder: Path) -> list[list[float]]:
    """The means over some epochs of seed 0's log: the epoch, then a number for each column."""
    epochs, columns, _ = LOGS[model]
    with (trained(model, 0, "default", folder) / "log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    of = lambda epoch: [row for row in rows if row["epoch"] == str(epoch)]  # noqa: E731
    return [[epoch, *(statistics.fmean(float(r[c]) for r in of(epoch)) for c in columns)] for epoch in epochs]


def last_grid(model: str, folder: Path) -> bytes:
    """The last grid of samples of seed 0, as PNG."""
    return max((trained(model, 0, "default", folder) / "samples").glob("epoch-*.png")).read_bytes()


def digit_shares(seed: int, folder: Path) -> list[float]:
    """The share of each digit among samples of the default DCGAN, in %."""
    path = trained("dcgan", seed, "default", folder)
    said = run_command([sys.executable, __file__, "--read", "rarest", str(path)], folder)
    return [float(share) for share in re.search(r"shares ([\d. ]+);", said)[1].split()]  # type: ignore[index]


# ---- what no command of minigen measures


def digits() -> list[tuple[np.ndarray, np.ndarray]]:
    """Training and test digits: flat images and their labels."""
    import minigen as mg

    splits = (mg.data.load("mnist5k", split) for split in ("train", "test"))
    return [(split.images.reshape(len(split.images), -1), split.labels) for split in splits]


def samples(path: str, n: int = 1000) -> np.ndarray:
    """Images that a trained run draws, flat."""
    from minigen.train import load_trained

    return load_trained(path).model.sample(n, np.random.default_rng(0)).reshape(n, -1)


def shares(path: str) -> str:
    """How often each digit is drawn, each sample counted in the class of its nearest training image."""
    (images, labels), _ = digits()
    drawn = samples(path)
    distances = (images**2).sum(1) - 2 * drawn @ images.T
    counts = 100 * np.bincount(labels[distances.argmin(1)], minlength=10) / len(drawn)
    return f"shares {' '.join(f'{c:.1f}' for c in counts)}; rarest {counts.min():.1f}"


def agreement(path: str) -> str:
    """The share of samples that a support vector machine, 3 nearest neighbors and a small network read alike.

    All three learn from the 4,000 real training digits alone.
    """
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.neural_network import MLPClassifier
    from sklearn.svm import SVC

    (images, labels), (test, _) = digits()
    readers = [SVC(C=10), KNeighborsClassifier(3), MLPClassifier(256, random_state=0)]
    for reader in readers:
        reader.fit(images, labels)

    def agree(given: np.ndarray) -> float:
        a, b, c = (reader.predict(given) for reader in readers)
        return 100 * float(np.mean((a == b) & (b == c)))

    return f"agree {agree(samples(path)):.1f} (real test digits: {agree(test):.1f})"


READERS = {"rarest": shares, "agreement": agreement}


# ---- the tables


def seeds_table(results: dict[str, Any]) -> list[str]:
    """A line for each row: a column for each seed, then median and range, then other settings."""
    numbers = {key: value for key, value in results.items() if key.count("/") == 2}
    seeds = sorted({int(key.split("/")[1]) for key in numbers})
    lines = [
        f"| measure | made by | {' | '.join(map(str, seeds))} | median (range) | other settings, seed 0 |",
        "|" + "---|" * (len(seeds) + 4),
    ]
    for row in ROWS:
        cells = [numbers.get(f"{row.key}/{seed}/default") for seed in seeds]
        known = [cell for cell in cells if cell is not None]
        if not known:
            continue
        how = "this script" if row.evaluate in READERS else f"`minigen evaluate RUN {row.evaluate}`".replace(" `", "`")
        others = [
            f"{name} {numbers[f'{row.key}/0/{name}']:.1f}" for name in SETTINGS
            if name != "default" and f"{row.key}/0/{name}" in numbers
        ]  # fmt: skip
        middle, low, high = (f"{f(known):.1f}" for f in (statistics.median, min, max))
        missed = row.holds is not None and not all(map(row.holds, known))
        bound = f", {row.bound}{' (missed)' if missed else ''}" if row.bound else ""
        columns = [
            row.measure + bound, f"`minigen train {row.train}`, {how}",
            *("" if cell is None else f"{cell:.1f}" for cell in cells), f"{middle} ({low} to {high})",
            ", ".join(others),
        ]  # fmt: skip
        lines.append(f"| {' | '.join(columns)} |")
    return lines


def best_table(results: dict[str, Any]) -> list[str]:
    """A line for each of the rows `BEST`: median and range of the seeds, on both kinds of kernels."""

    def summary(row: Row, setting: str) -> str:
        numbers = [results[key] for key in sorted(results) if re.fullmatch(rf"{row.key}/\d+/{setting}", key)]
        if not numbers:
            return ""
        digits = 2 if max(numbers) < 2 else 1
        low, middle, high = (f"{f(numbers):.{digits}f}" for f in (min, statistics.median, max))
        assert row.holds is not None
        missed = sum(not row.holds(number) for number in numbers)
        said = f"{middle} ({low} to {high}; {len(numbers)} seed{'s' * (len(numbers) > 1)})"
        return said + (f", **missed** by {missed}" if missed else "")

    lines = ["| measure | made by | aim | AVX-512 kernels | AVX2 kernels |", "|---|---|---|---|---|"]
    for row in BEST:
        found = [summary(row, setting) for setting in ("default", "AVX2 kernels")]
        if any(found):
            lines.append(f"| {row.measure} | `minigen train {row.train}` | {row.bound} | {' | '.join(found)} |")
    return lines


def log_table(model: str, rows: list[list[float]]) -> list[str]:
    """A line for each epoch."""
    _, columns, decimals = LOGS[model]
    lines = [f"| epoch | {' | '.join(columns)} |", "|" + "---|" * (1 + len(columns))]
    return lines + [f"| {row[0]:.0f} | {' | '.join(f'{value:.{decimals}f}' for value in row[1:])} |" for row in rows]


def shares_table(results: dict[str, Any]) -> list[str]:
    """A line for each seed of the default DCGAN."""
    lines = [f"| digit | {' | '.join(map(str, range(10)))} |", "|" + "---|" * 11]
    for key in sorted(key for key in results if key.startswith("shares/")):
        lines.append(f"| seed {key.split('/')[1]} | {' | '.join(f'{share:.1f}' for share in results[key])} |")
    return lines


def with_tables(page: str, results: dict[str, Any]) -> str:
    """The page with each table between its two marks; a table of which nothing is known stays as it is."""
    tables = {"seeds": seeds_table(results), "best": best_table(results), "shares": shares_table(results)}
    tables |= {model: log_table(model, results[f"log/{model}"]) for model in LOGS if f"log/{model}" in results}
    for name, lines in tables.items():
        page = replace_table(page, name, lines)
    return page


def stored() -> dict[str, Any]:
    """The results that are there: row/seed/setting to number, log/model to a table, shares/seed to ten numbers."""
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else {}


def asked(arguments: argparse.Namespace) -> Iterator[tuple[Row, int, str]]:
    """What to make, in order."""
    settings = list(SETTINGS) if arguments.settings == ["all"] else arguments.settings
    for setting in settings:
        for seed in arguments.seeds:
            for row in [*ROWS, *BEST]:
                if not arguments.rows or row.key in arguments.rows:
                    yield row, seed, setting


def main() -> None:
    """Make what is asked for, then write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument(
        "--rows",
        nargs="+",
        choices=sorted({*(row.key for row in [*ROWS, *BEST]), *LOGS, *PICTURES}),
        help="rows; of a model's name, its log and its picture",
    )
    parser.add_argument("--settings", nargs="+", choices=["all", *SETTINGS], default=["default"])
    parser.add_argument("--folder", type=Path, default=Path("expected-values"), help="where the runs go")
    parser.add_argument("--again", action="store_true", help="also make what is there already")
    parser.add_argument("--only-tables", action="store_true")
    parser.add_argument("--read", nargs=2, metavar=("READER", "RUN"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.read:
        print(READERS[arguments.read[0]](arguments.read[1]))
        return
    results, folder = stored(), arguments.folder.resolve()

    def keep(key: str, make: Callable[[], Any]) -> None:
        """Make a result, if it is not there yet."""
        if key not in results or arguments.again:
            results[key] = make()
            print(f"{key}: {results[key]}", flush=True)
            RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")

    if arguments.again and (folder / "runs").exists():
        parser.error(f"--again trains again, but {folder} holds runs already; give a new --folder")
    if not arguments.only_tables:
        folder.mkdir(exist_ok=True, parents=True)
        for row, seed, setting in asked(arguments):
            keep(f"{row.key}/{seed}/{setting}", lambda: made(row, seed, setting, folder))  # noqa: B023
            if row.evaluate == "rarest" and setting == "default":
                keep(f"shares/{seed}", lambda: digit_shares(seed, folder))  # noqa: B023
        for model in LOGS:
            if not arguments.rows or model in arguments.rows:
                keep(f"log/{model}", lambda: logged(model, folder))  # noqa: B023
        for model in PICTURES:
            if not arguments.rows or model in arguments.rows:
                (HERE.parent / "pictures" / f"{model}_mnist5k.png").write_bytes(last_grid(model, folder))
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8"), results), encoding="utf-8")


if __name__ == "__main__":
    main()
