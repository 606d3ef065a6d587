"""``minigen evaluate``."""

import argparse

import numpy as np

from ..data import Dataset
from ..metrics import (
    ClassAccuracy,
    Membership,
    class_accuracy,
    known_modes,
    load_judges,
    measure_family,
    read_digits,
    repair_scores,
    stacked_modes,
    test_images,
)
from ..models import Repair
from ..train import Trained
from .judge_samples import add_judge_flags, check_judge_flags, check_same_data, evaluate_features, judge_runs
from .run_options import RUN_HELP, add_device, add_split, asked_data, opened
from .types import at_least

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``minigen evaluate``."""
    parser.description = (
        "Measure a trained model of any family. VAE: -ELBO and its terms, in nats an image. GAN, which assigns\n"
        "no probability to an image: the outputs of D for data and samples. Every generative model: whether its\n"
        "samples are copies of training images. Repair: PSNR and SSIM, beside those of classical methods whose\n"
        "parameters are tuned on the truth. Translation: PSNR to the truth, where the data has pairs.\n\n"
        "By judges, small networks trained on real images: FID, KID, precision, recall, coverage and others, each\n"
        "with its interval and beside what real images measure. The result is also written as a page and as JSON\n"
        "to the run's folder. Judges are shipped for digits of 28 pixels (mnist5k, mnist); --judge train makes\n"
        "others. Runs that differ only in the seed are shown together: the median, and each run.\n\n"
        "Of a model that knows classes, --classify N lets one classifier, trained on the training images, read N\n"
        "samples, and another, trained on the samples only, read the test images. The first number measures\n"
        "whether samples are of the class asked for; the second is lower if samples lack what the data has."
    )
    parser.usage = "minigen evaluate RUN [RUN ...] [options]\n       minigen evaluate --features REAL.npz FAKE.npz"
    parser.add_argument("runs", metavar="RUN", nargs="*", help=f"one or more: {RUN_HELP}")
    parser.add_argument("--seed", type=at_least(0), default=0, help="decides the noise (default: 0)")
    add_device(parser)
    parser.add_argument(
        "--samples", type=at_least(0), default=0, metavar="K",
        help="of the VAE family: also estimate log p(x), with K codes an image (say 100; 1000 take minutes)",
    )  # fmt: skip
    parser.add_argument(
        "--classify", type=at_least(1), default=0, metavar="N",
        help="of a cgan or cvae: have classifiers read N samples (10000 take about 3 minutes)",
    )  # fmt: skip
    parser.add_argument(
        "--modes", type=at_least(1), default=0, metavar="N",
        help="of a model of stacked_mnist: read N samples, and count the 1,000 modes (26000 as published)",
    )  # fmt: skip
    add_split(parser)
    add_judge_flags(parser)


def run(arguments: argparse.Namespace) -> None:
    """Do what ``minigen evaluate`` was asked."""
    if bool(arguments.runs) == bool(arguments.features):
        raise ValueError("evaluate: expected a RUN, or --features REAL.npz FAKE.npz, and not both")
    check_judge_flags(arguments)
    if arguments.features:
        real, fake = arguments.features
        evaluate_features(real, fake, arguments.json)
        return
    trained = [opened(arguments, name, points=True, from_images=True) for name in arguments.runs]
    check_same_data(trained)
    own = [_print_own_numbers(one, arguments) for one in trained]
    if not judge_runs(trained, arguments, [membership for _, membership in own]):
        for one, (silent, _) in zip(trained, own):
            if silent:
                name = one.run.name
                print(f"These numbers do not measure how good the samples are: see minigen sample {name}")


def _print_own_numbers(trained: Trained, arguments: argparse.Namespace) -> tuple[bool, Membership | None]:
    """What the family itself measures; return whether that says nothing about the samples, and the membership."""
    model, seed = trained.model, arguments.seed
    dataset = asked_data(arguments, trained)
    if isinstance(model, Repair):
        _print_repair(trained, model, dataset, arguments)
        return False, None
    readings = None
    if arguments.classify:
        splits = trained.data("train"), trained.data("test")
        readings = class_accuracy(model, *splits, arguments.classify, seed, progress=True)
    if arguments.modes and dataset.name != "stacked_mnist":
        known_modes(dataset)  # for points they are printed without asking
        raise ValueError("--modes counts the modes of stacked_mnist; those of points are printed without it")
    train = trained.data("train") if arguments.split == "test" else None
    unseen = None if train is None else trained.unseen()
    found = measure_family(model, dataset, arguments.samples, seed, train, unseen)
    print(f"{trained.run}, step {trained.step}, on {len(dataset)} images of {dataset.name} ({arguments.split})")
    if "elbo" in found:
        print(f"-ELBO            {-found['elbo']:8.2f} nats an image")
        print(f"  reconstruction {found['reconstruction']:8.2f}")
        print(f"  KL             {found['kl']:8.2f}")
        print(f"active units     {found['active_units']:5} of {found['units']}")
        if arguments.samples:
            at_most = f"nats an image at most, with {arguments.samples} codes"
            print(f"-log p(x)        {-found['log_likelihood']:8.2f} {at_most}")
    if "d_data" in found:
        print(f"D on the data    {found['d_data']:8.3f}")
        print(f"D on samples     {found['d_samples']:8.3f}")
        print(f"  difference     {found['d_data'] - found['d_samples']:8.3f} (0: D cannot tell samples from data)")
    if "nearest_data" in found:
        print(f"nearest training image of samples     {found['nearest_samples']:8.3f} (median distance)")
        print(f"nearest training image of test images {found['nearest_data']:8.3f}")
        print("  much nearer samples are copies; farther ones say nothing about quality")
    if "membership" in found:
        _print_membership(found["membership"], "test" if unseen is None else "left-out training")
    if "accuracy" in found:
        print(f"accuracy {found['accuracy']:.1%} of the images, with {model.options.labelled} labels")
    if "code_mse" in found:
        print(f"reconstruction     {found['code_mse']:8.4f} mean squared error")
        floor = f"({found['code_distance_floor']:.4f} of two draws)"
        print(f"codes to the prior {found['code_distance']:8.4f} energy distance {floor}")
    if "modes" in found:
        for what, modes in (("samples", found["modes"]), ("data", found["modes_data"])):
            print(f"{what:8} {modes}  ({modes.samples} points)")
        floor = found["modes"]
        print(f"perfect  HQ {floor.high_quality_floor:.1%}, KL {floor.kl_floor:.4f} on average")
        print("  HQ: share of points within 3 sigma of a mode; a mode counts if there is one; KL: from equal shares")
        return False, None
    if "l1" in found:
        _print_translation(found)
        return False, None
    if "mse" in found:
        print(f"mean squared error {found['mse']:8.4f}")
    if "mse_of_input" in found:
        print(f"  of the input     {found['mse_of_input']:8.4f}")
    if arguments.modes:
        reader = load_judges().reader
        for what, images in (("samples", model.sample(arguments.modes, np.random.default_rng(seed))),
                             ("data", dataset.images[: arguments.modes])):  # fmt: skip
            modes = stacked_modes(images, reader)
            print(f"{what:8} {modes}; {modes.images} images, whose KL is {modes.kl_floor:.2f} if they are perfect")
    if readings is not None:
        _print_readings(readings)
    return "elbo" not in found and "mse" not in found, found.get("membership")


def _print_membership(found: Membership, others: str) -> None:
    area = found.auc
    limits = f"{area.low:.3f} to {area.high:.3f}"
    text = f"training against {others} images, by the {found.score}: AUC {area.value:.3f} ({limits}"
    print(f"{text}; chance 0.5 +- {found.chance:.3f})")
    print(f"  {found.verdict}")


def _print_repair(trained: Trained, model: Repair, dataset: Dataset, arguments: argparse.Namespace) -> None:
    images = test_images(model, dataset, arguments.split)
    scores = repair_scores(model, images, arguments.seed)
    count = sum(map(len, images.values()))
    what = f"{count} images" if len(images) == 1 else f"{count} photographs"
    print(f"{trained.run}, step {trained.step}, on {what} of {dataset.name} ({arguments.split}): {model.damage}")
    print(scores.table().text())
    if not scores.masks:
        return
    print("dB inside the hole")
    shares = "  ".join(f"{method} {share:.3f}" for method, share in scores.half_grey().items())
    print(f"half-gray pixels in the hole: {shares}")
    if dataset.labels is not None:
        repaired = scores.repaired[dataset.name]
        read = read_digits(trained.data("train"), repaired, dataset.labels[: len(repaired["truth"])])
        print("read right by an SVM: " + "  ".join(f"{method} {share:.1%}" for method, share in read.items()))


def _print_translation(found: dict[str, float]) -> None:
    for name, text in _TRANSLATION.items():
        if name in found:
            print(f"{text:52} {found[name]:8.3f}")


_TRANSLATION = {
    "psnr": "dB to the truth",
    "psnr_back": "dB to the truth, the way back",
    "psnr_cycle": "dB after the way there and back",
    "psnr_copy": "dB of the unchanged input",
    "psnr_invert": "dB of the inverted input",
    "l1": "mean absolute error",
    "l1_black": "  of a black image",
    "iou": "drawn and true shape: common share of the pixels",
    "saturation": "saturation of what is drawn (1: pure colors)",
    "hue": "color right (chance: 0.167)",
}


def _print_readings(found: ClassAccuracy) -> None:
    hardest = np.argsort(found.per_class, kind="stable")[:3]
    least = ", ".join(f"{found.per_class[i]:.1%} of {found.names[i]}" for i in hardest)
    mistakes = ", ".join(f"{asked} as {read} ({count})" for asked, read, count in found.top_confusions(3))
    accuracy = f"{found.classifier_accuracy:.1%}"
    print(f"{found.confusion.sum()} samples, read by a classifier that reads {accuracy} of the test images right")
    print(f"  read as asked  {found.class_accuracy:8.1%} (least: {least}; most misread: {mistakes or 'none'})")
    score = f"{found.classification_accuracy_score:8.1%}"
    print(f"test images read {score} by a classifier that has seen these samples only")
