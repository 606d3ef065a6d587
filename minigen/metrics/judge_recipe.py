"""Train judges and write them to a file; the shipped ones come from this command without arguments.

    python -m minigen.metrics.judge_recipe                                     the shipped judges, in about 3 minutes
    python -m minigen.metrics.judge_recipe --data fashion --out fashion.safetensors

The same seed gives the same weights on the same machine; on another machine the last bits differ, and so does the
SHA-256.  Numbers of judges with different SHA-256 cannot be compared.
"""

import argparse
from pathlib import Path

from ..data import load
from .classifier import STEPS
from .judge import train_judges

__all__ = ["main"]


def main() -> None:
    """Train, measure the accuracies, write the file and print its SHA-256."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="mnist5k", help="labeled data set (default: mnist5k)")
    parser.add_argument("--size", type=int, help="side of the images (default: the set's own)")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"batches of 64 to learn from (default: {STEPS})")
    parser.add_argument("--seed", type=int, default=0, help="of everything random (default: 0)")
    parser.add_argument("--out", type=Path, help="where to (default: the file in the package)")
    arguments = parser.parse_args()
    train, test = (load(arguments.data, split, size=arguments.size) for split in ("train", "test"))
    judges = train_judges(train, test, arguments.steps, arguments.seed, progress=True)
    out = arguments.out or Path(__file__).with_name(f"judges_{train.name}.safetensors")
    judges.save(out)
    print(f"{out}: {out.stat().st_size} bytes, SHA-256 of the weights {judges.sha256}")
    print(f"test images read right: looker {judges.looker.accuracy:.1%}, reader {judges.reader.accuracy:.1%}")


if __name__ == "__main__":
    main()
