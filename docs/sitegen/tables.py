"""Tables made of what minigen registers: primitives, losses, models, data sets, and the flags of the command line."""

import argparse
import ast
import inspect
import json
import re
import sys
import textwrap
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

from .docstrings import Link, demote, first_paragraph, inline, no_link, table_row, to_markdown

__all__ = [
    "Command", "Flag", "LossFamily", "PrimitiveRow", "commands", "commands_page", "data_page", "loss_families",
    "loss_page", "losses_page", "model_parser", "models_page", "primitive_rows", "primitives_page", "training_minutes",
    "undecided_table",
]  # fmt: skip

TIMES = Path(__file__).resolve().parents[2] / "lessons" / "reference" / "training_times.json"
"""What `lessons/reference/make_training_times.py` has measured."""


# ---- primitives


@dataclass
class PrimitiveRow:
    """What the table says of one primitive."""

    name: str
    module: str
    arguments: list[str]
    formula: str
    rules: str


@lru_cache
def _statements(module: str) -> tuple[str, list[ast.stmt]]:
    source = inspect.getsource(sys.modules[module])
    return source, ast.parse(source).body


def _rule_source(module: str, function: str) -> str:
    """The statements that give a primitive its vjps, as they stand in the module, with the functions that they name."""
    source, body = _statements(module)
    definitions = {node.name: node for node in body if isinstance(node, ast.FunctionDef)}
    found: list[ast.stmt] = []
    for node in body:
        calls = [node.value] if isinstance(node, ast.Expr) else getattr(node, "decorator_list", [])
        for call in calls:
            target = call.func if isinstance(call, ast.Call) else call
            if (
                isinstance(target, ast.Attribute)
                and target.attr in ("vjp", "vjp_all", "vjp_uses")
                and isinstance(target.value, ast.Name)
                and target.value.id == function
            ) or (isinstance(target, ast.Name) and target.id == "share_vjps" and call.args[0].id == function):
                named = [n.id for n in ast.walk(call) if isinstance(n, ast.Name) and n.id in definitions]
                found += [definitions[n] for n in named if n.endswith("vjp") and definitions[n] not in found]
                found.append(node)
    return "\n\n".join(_segment(source, node) for node in found)


def _segment(source: str, node: ast.stmt) -> str:
    first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
    return textwrap.dedent("\n".join(source.splitlines()[first - 1 : node.end_lineno]))


def primitive_rows() -> list[PrimitiveRow]:
    """Every primitive of minigen, sorted by module and name."""
    import minigen  # noqa: F401 - registers them
    from minigen.engine import primitives

    rows = []
    for primitive in primitives.values():
        if primitive.__module__.startswith("minigen."):
            arguments = primitive.arguments or [f"*{primitive.variadic}"]
            rules = _rule_source(primitive.__module__, primitive.__name__)
            rows.append(PrimitiveRow(primitive.name, primitive.__module__, arguments, primitive.__doc__ or "", rules))
    return sorted(rows, key=lambda row: (row.module, row.name))


def primitives_page(link: Link = no_link) -> str:
    """The page of all primitives: a table, then formula, example and vjp of each."""
    rows = primitive_rows()
    by_name = {row.name: row for row in rows}

    def of_primitive(name: str) -> str | None:
        """A primitive is a link within the page; a word that is no name of a function stays a word."""
        return f"[`{name}`](#primitive-{name})" if name in by_name else None if name.isalpha() else link(name)

    modules = list(dict.fromkeys(row.module for row in rows))
    out = [
        "# Primitives: formulas and gradient rules",
        "",
        "A primitive is a function on arrays with one vector-Jacobian product (vjp) per argument: from the cotangent"
        " `g` it makes the gradient of that argument. All other functions are composed of primitives. This page is made"
        f" of the register of primitives: there are {len(rows)}. The rules are shown as they stand in the source. They"
        " are written with Tensor operations, so each has a gradient itself. The tests check the first and the second"
        " derivatives of every primitive in this table.",
        "",
        "| primitive | arguments | formula and derivative | file |",
        "|---|---|---|---|",
    ]
    for row in rows:
        file = row.module.removeprefix("minigen.")
        cells = [f"[`{row.name}`](#primitive-{row.name})", ", ".join(f"`{a}`" for a in row.arguments)]
        out.append(table_row([*cells, first_paragraph(row.formula, of_primitive), f"`{file}`"]))
    for module in modules:
        title = module.removeprefix("minigen.")
        docstring = sys.modules[module].__doc__ or ""
        out += ["", f"## {title}", "", demote(to_markdown(docstring, of_primitive), 2)]
        for row in (row for row in rows if row.module == module):
            out += ["", f"(primitive-{row.name})=", f"### {row.name}", "", to_markdown(row.formula, of_primitive), ""]
            out += ["**Gradient rules**", "", "```python", row.rules, "```"]
    return "\n".join(out) + "\n"


# ---- losses


@dataclass
class LossFamily:
    """One derivation, with its losses."""

    name: str
    title: str
    paper: str
    losses: list[Any]
    derivation: str
    notes: dict[str, str] = field(default_factory=dict)
    formulas: list[str] = field(default_factory=list)
    gradients: list[str] = field(default_factory=list)


def loss_families() -> dict[str, LossFamily]:
    """The families of the register of losses, by name, in the order in which they are registered in files."""
    import minigen.losses as losses

    families: dict[str, LossFamily] = {}
    for record in losses.LOSSES.values():
        if not record.function.__module__.startswith("minigen."):
            continue
        if record.family not in families:
            title, paper, *_ = record.derivation.removeprefix("# ").split("\n\n")
            families[record.family] = LossFamily(record.family, title.strip(), paper, [], record.derivation)
        families[record.family].losses.append(record)
    for family in families.values():
        sections = _sections(family.derivation)
        family.formulas, family.gradients = _formulas(sections)
        for title, text in sections.items():
            if re.search("sign|scale|detach", title, re.IGNORECASE):
                family.notes |= {"Detach": text.strip().split("\n\n")[0]} if title.endswith("detach") else {}
                family.notes |= _notes(text)
    return dict(sorted(families.items()))


def _sections(derivation: str) -> dict[str, str]:
    parts = re.split(r"^## (.+)$", derivation, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2]))


def _formulas(sections: dict[str, str]) -> tuple[list[str], list[str]]:
    """The formulas that stand by themselves: those of the last section before the gradient, and of the gradient."""
    shown = {title: re.findall(r"\$\$(.+?)\$\$", text, re.DOTALL) for title, text in sections.items()}
    titles = list(shown)
    of_gradient = [title for title in titles if "gradient" in title.lower()]
    if of_gradient:
        before = [title for title in titles[: titles.index(of_gradient[0])] if shown[title]]
        formulas = shown[before[-1]]
        gradients = [each for title in of_gradient for each in shown[title]]
        gradients += [shown[title][0] for title in titles if "double backward" in title]
    else:  # each way to compute it with its own gradient
        every = [each for title in titles for each in shown[title]]
        gradients = [each for each in every if each.lstrip().startswith(r"\frac{\partial")]
        formulas = [each for each in every if each not in gradients]
    return [" ".join(each.split()) for each in formulas], [" ".join(each.split()) for each in gradients]


def _notes(text: str) -> dict[str, str]:
    """The points of a section "Sign, scale, detach" by their first words: Sign, Scale, Detach ..."""
    notes = {}
    for point in re.split(r"^- (?=\*\*)", text, flags=re.MULTILINE)[1:]:
        match = re.match(r"\*\*(.+?)\*\*(.*)", point, re.DOTALL)
        assert match is not None
        title, _, more = match[1].rstrip(".").partition(":")
        rest = match[2].split("\n\n")[0]
        key = "Sign" if title.startswith("Sign") else "Scale" if title.startswith("Scale") else title.partition(",")[0]
        rest = rest.split("\n- ")[0]
        glue = "" if rest.startswith((",", ";")) or not more else "."
        text_of_point = " ".join(f"{more.strip()}{glue} {rest}".split()).lstrip(". ").replace(" ,", ",")
        notes[key] = text_of_point[:1].upper() + text_of_point[1:]
    return notes


DEFAULTS = {"Sign": "Minimized as it is.", "Scale": "See the derivation."}
"""What the page says where a derivation has no such point."""


def losses_page(link: Link = no_link) -> str:
    """The page of all losses: what each is, and for each family formula, gradient, sign, reduction, detach, paper."""
    families = loss_families()
    out = [
        "# Losses: formula, gradient, sign, reduction, detach",
        "",
        "Every loss of minigen, made of the register of losses. Each family has a page with its derivation, step by"
        " step, and its gradient by hand in NumPy; autograd finds the same gradient, and the tests compare the two."
        " *Reduction* says what is summed and what is averaged; *detach* says which inputs get no gradient.",
        "",
        "| loss | what it computes | derivation |",
        "|---|---|---|",
    ]
    for family in families.values():
        for record in family.losses:
            summary = first_paragraph(record.function.__doc__, link).removeprefix("Compute ")
            name = link(f"minigen.losses.{record.name}") or f"`{record.name}`"
            out.append(
                table_row([name.replace("minigen.losses.", "", 1), summary, f"[{family.title}](#{family.name})"])
            )
    for family in families.values():
        names = ", ".join(f"`{record.name}`" for record in family.losses)
        out += [
            "",
            f"({family.name})=",
            f"## {family.title}",
            "",
            f"{names}. [Derivation, step by step](/losses/{family.name}.md).",
            "",
        ]
        out += ["**Formula**", "", *(f"$${each}$$\n" for each in family.formulas)]
        out += ["**Gradient**", "", *(f"$${each}$$\n" for each in family.gradients)]
        for key, title in (("Sign", "Sign"), ("Scale", "Reduction and scale"), ("Detach", "Detach")):
            note = family.notes.get(key) or DEFAULTS[key]
            out += [f"**{title}.** {inline(note, link)}", ""]
        out += [f"**Paper.** {inline(family.paper, link)}", ""]
    return "\n".join(out) + "\n"


def loss_page(family: LossFamily, members: str, link: Link = no_link) -> str:
    """The page of one family: the derivation, then `members`, the functions of its file."""
    hand = [
        f"### `{record.gradient.__name__}`\n\n```python\n{inspect.getsource(record.gradient).rstrip()}\n```"
        for record in family.losses
        if record.gradient is not None
    ]
    parts = [to_markdown(family.derivation, link), f"## Functions\n\n{members}"]
    if hand:
        parts += ["## The gradients in NumPy\n\nAs derived above; autograd gives the same.", *hand]
    return "\n\n".join(parts) + "\n"


def undecided_table() -> str:
    """What an undecided D pays, and G: the numbers of `GAN_LOSSES`, as a table."""
    from minigen.losses import GAN_LOSSES

    out = ["| `--loss` | `loss_d` | `loss_g` | output of D |", "|---|---|---|---|"]
    for name, pair in GAN_LOSSES.items():
        d, g, output = pair.undecided(0.0)
        out.append(f"| `{name}` | {d:.3f} | {g:.3f} | {output:g} ({'probability' if pair.logits else 'score'}) |")
    return "\n".join(out)


# ---- models


def _parameters(model: type) -> int:
    """How many weights a family has with its defaults, on its own data set."""
    from minigen.data import DATASETS

    info = DATASETS[model.DATA.partition(":")[0]]
    shape = info.shape or DATASETS[model.DATA.partition(":")[2]].shape
    given = {"size": shape[-1], "channels": shape[0], "out_channels": shape[0], "classes": 10, "outputs": 10}
    wanted = [each.name for each in model.Options.specifications() if each.from_data]
    built = model(**{name: given[name] for name in wanted if name in given})
    return sum(p.numel() for p in built.parameters())


def _fits(model: type) -> bool:
    """Whether the default data set holds what the family learns from: some need series or points, given by --data."""
    return {"channels", "size"} & {each.name for each in model.Options.specifications() if each.from_data} != set()


def training_minutes(seconds: float) -> str:
    """A measured time as the table says it: whole minutes, at least one.

    >>> training_minutes(52), training_minutes(101), training_minutes(400)
    ('1', '2', '7')
    """
    return str(max(1, round(seconds / 60)))


def models_page(link: Link = no_link) -> str:
    """The page of all model families, with every option, and the times that were measured."""
    from minigen.models import families

    measured = json.loads(TIMES.read_text(encoding="utf-8"))
    out = [
        "# Model families and their options",
        "",
        "What `minigen train MODEL` can train, made of the register of families. Each option is a flag: `lr_decay`"
        " is `--lr-decay`. The flags of every training, such as `--epochs`, are on the page of the"
        " [command line](command_line.md#minigen-train). What each family reaches:"
        " [expected values](../../lessons/reference/expected_values.md).",
        "",
        "The minutes are those of the steps of a training with the defaults on one core (the samples after each epoch"
        " are left out), measured on this machine: "
        f"{measured['processor']}. The first training of all also compiles kernels, for up to"
        " 30 seconds. The command that measures it: `python lessons/reference/make_training_times.py`.",
        "",
        "| model | what it is | data | epochs | batch | weights | minutes |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, model in families().items():
        time = measured["families"].get(name, {"data": "", "seconds": None})  # a family that is new
        data = f"`{model.DATA}`" if _fits(model) else f"give `--data`, such as `{time['data']}`"
        numbers = [data, str(model.EPOCHS), str(model.BATCH_SIZE), f"{_parameters(model):,}"]
        numbers.append("" if time["seconds"] is None else training_minutes(time["seconds"]))
        out.append(table_row([f"[`{name}`](#model-{name})", inline(model.summary(), link), *numbers]))
    for name, model in families().items():
        head, *more = inspect.cleandoc(model.__doc__ or "").split("\nParameters\n---")[0].split("\n\n")
        out += [
            "",
            f"(model-{name})=",
            f"## {name}",
            "",
            first_paragraph(head, link),
            "",
            to_markdown("\n\n".join(more), link),
        ]
        out += [
            "",
            f"`minigen train {name}`, in Python {link(f'minigen.models.{model.__name__}') or f'`{model.__name__}`'}.",
            "",
        ]
        out += ["| option | default | meaning |", "|---|---|---|"]
        for each in model.Options.specifications():
            limits = _limits(each.metadata)
            meaning = inline(each.help, link) + (f" ({limits})" if limits else "")
            default = "from the data" if each.from_data else f"`{each.default}`"
            out.append(table_row([f"`{each.name}`", default, meaning]))
    return "\n".join(out) + "\n"


def _limits(metadata: Any) -> str:
    words = {"choices": "one of", "minimum": "at least", "above": "above", "maximum": "at most", "below": "below"}
    limits = []
    for key, word in words.items():
        value = metadata.get(key)
        if value is not None:
            limits.append(f"{word} {', '.join(f'`{v}`' for v in value) if key == 'choices' else f'{value:g}'}")
    return ", ".join(limits)


# ---- data


def data_page(link: Link = no_link) -> str:
    """The table of all data sets, from their register."""
    from minigen.data import describe

    columns = ("name", "title", "images", "shape", "needs", "license")
    out = ["| data set | what it is | training + test | shape | needs | license |", "|---|---|---|---|---|---|"]
    for row in describe():
        out.append(table_row([f"`{row['name']}`", *(inline(row[column], link) for column in columns[1:])]))
    return "\n".join(out) + "\n"


# ---- the command line


@dataclass
class Flag:
    """One argument of a command."""

    names: str
    help: str


@dataclass
class Command:
    """One command, with its arguments and the commands below it."""

    name: str
    description: str
    usage: str
    flags: list[Flag]
    epilog: str
    below: list["Command"]


def _command(name: str, parser: argparse.ArgumentParser, line: str = "") -> Command:
    formatter = parser._get_formatter()
    flags, below = [], []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            lines = {choice.dest: choice.help or "" for choice in action._choices_actions}
            below = [_command(f"{name} {key}", sub, lines.get(key, "")) for key, sub in action.choices.items()]
        elif action.help is not argparse.SUPPRESS and not isinstance(action, argparse._HelpAction):
            names = formatter._format_action_invocation(action)
            flags.append(Flag(names, formatter._expand_help(action) if action.help else ""))
    usage = parser.format_usage().removeprefix("usage: ").rstrip()
    return Command(name, parser.description or line, usage, flags, parser.epilog or "", below)


def model_parser(name: str) -> argparse.ArgumentParser:
    """The parser of ``minigen train NAME``."""
    from minigen.cli.train import _model_parser
    from minigen.models import family

    return _model_parser(name, family(name))


def commands() -> list[Command]:
    """Every command of ``minigen``, from its parser."""
    from minigen.cli.main import COMMANDS

    found = []
    for name, line in COMMANDS.items():
        parser = argparse.ArgumentParser(f"minigen {name}", description=f"{line[0].upper()}{line[1:]}.")
        import_module(f"minigen.cli.{name}").add_arguments(parser)
        found.append(_command(f"minigen {name}", parser))
        if name == "train":
            every = _command("minigen train MODEL", model_parser("gan"))
            own = {f"--{each.name.replace('_', '-')}" for each in _options("gan")}
            every.flags = [flag for flag in every.flags if flag.names.split(",")[0].split()[0] not in own]
            other = {flag.names: flag.help for flag in _command("", model_parser("repair")).flags}
            for flag in every.flags:
                if other[flag.names] != flag.help:  # a default that each model sets for itself
                    flag.help = re.sub(r"\(default: .*?\)", "(default: that of the model)", flag.help)
            every.usage, every.description = "minigen train MODEL [options]", "The flags of every training."
            found[-1].below = [every]
    return found


def _options(name: str) -> list[Any]:
    from minigen.models import family

    return [each for each in family(name).Options.specifications() if not each.from_data]


def commands_page(link: Link = no_link) -> str:
    """The page of the command line."""
    out = [
        "# The command line",
        "",
        "Every command and every flag, made of the parsers: `minigen COMMAND --help` prints the same. A run is named by"
        " its folder in `runs/`, such as `dcgan-mnist5k`, or by a path. `--debug` shows the traceback of an error.",
        "",
        "| command | what it does |",
        "|---|---|",
    ]
    every = commands()
    for command in every:
        anchor = re.sub(r"[^a-z0-9-]", "", command.name.replace(" ", "-"))
        out.append(table_row([f"[`{command.name}`](#{anchor})", inline(command.description.split("\n")[0], link)]))
    for command in every:
        out += _command_section(command, 2, link)
    return "\n".join(out) + "\n"


def _command_section(command: Command, level: int, link: Link) -> list[str]:
    out = [
        "",
        f"{'#' * level} {command.name}",
        "",
        _prose(command.description, link),
        "",
        "```text",
        command.usage,
        "```",
        "",
    ]
    if command.flags:
        out += ["| argument | meaning |", "|---|---|"]
        out += [table_row([f"`{flag.names}`", _code(flag.help)]) for flag in command.flags]
    if command.epilog:
        out += ["", "```text", command.epilog.strip("\n"), "```"]
    if command.name == "minigen train MODEL":
        out += ["", "The options of each model: [model families](models.md)."]
    for below in command.below:
        out += _command_section(below, level + 1, link)
    return out


def _prose(text: str, link: Link) -> str:
    if re.search(r"^ ", text, re.MULTILINE):  # laid out by hand
        return f"```text\n{text.strip()}\n```"
    return _code(" ".join(text.split()))


def _code(text: str) -> str:
    """Help text in a cell: plain words, with no accidental markup."""
    text = re.sub(r"([*_<|\[\]])", r"\\\1", text)
    return re.sub(r"(?<![\w`-])--[a-z][a-z-]*", r"`\g<0>`", text)
