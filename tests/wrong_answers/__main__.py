"""Print how the checks answer the wrong answers: ``PYTHONPATH=tests python -m wrong_answers [--show]``."""

import argparse
import warnings
from collections import Counter

from minigen.course.kit.assignment import templates

from . import check, exercises, tables
from .programs import count


def count_programs(show: bool) -> None:
    kinds, totals = ("right hint", "other words", "raw numbers", "accepted"), Counter[str]()
    print(f"{'assignment':20}{'programs':>10}" + "".join(f"{kind:>14}" for kind in kinds))
    for path in templates():
        counts: Counter[str] = Counter()
        for wrong, kind, said in count(path.name):
            counts[kind] += 1
            if show and kind != "right hint":
                print(f"  [{kind}] task {wrong.task}: {wrong.mistake}\n    " + said.replace("\n", "\n    "))
        totals.update(counts)
        print(f"{path.name:20}{counts.total():10}" + "".join(f"{counts[kind]:14}" for kind in kinds), flush=True)
    row = "".join(f"{totals[kind]:14}" for kind in kinds)
    print(f"{'all':20}{totals.total():10}{row} {totals['right hint'] / totals.total():6.1%}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="wrong_answers", description=__doc__)
    parser.add_argument("--show", action="store_true", help="print every answer that does not get the right hint")
    parser.add_argument("--without-kernels", action="store_true", help="leave out the kernels of lesson 5 (a minute)")
    parser.add_argument(
        "--assignments", action="store_true", help="count the programs for A1 to A6 in place of the lessons"
    )
    options = parser.parse_args()
    if options.assignments:
        count_programs(options.show)
        return
    warnings.simplefilter("ignore")
    kinds = ("right hint", "other words", "raw numbers", "accepted")
    print(f"{'round':8}{'lessons':14}{'wrong answers':>14}" + "".join(f"{kind:>14}" for kind in kinds))
    totals: dict[str, Counter[str]] = {}
    for round_, lessons, numbers, table in tables():
        if options.without_kernels and "kernels" in lessons:
            continue
        known, counts = exercises(numbers), Counter()
        for wrong in table:
            kind, verdict = check(wrong, known)
            counts[kind] += 1
            if options.show and kind != "right hint":
                print(f"  [{kind}] {wrong.exercise}: {wrong.mistake}\n    " + verdict.reason.replace("\n", "\n    "))
        totals.setdefault(round_, Counter()).update(counts)
        print(f"{round_:8}{lessons:14}{len(table):14}" + "".join(f"{counts[kind]:14}" for kind in kinds))
    for round_, counts in totals.items():
        share = counts["right hint"] / counts.total()
        print(
            f"{round_:8}{'all':14}{counts.total():14}" + "".join(f"{counts[kind]:14}" for kind in kinds),
            f"{share:6.1%}",
        )


if __name__ == "__main__":
    main()
