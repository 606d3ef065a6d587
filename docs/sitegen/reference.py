"""The pages of the interface: every public name, by concept, with its docstring."""

import ast
import inspect
import pkgutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from .docstrings import Link, demote, to_markdown

__all__ = ["CONCEPTS", "Concept", "Names", "collect", "members_of", "page", "summaries"]

ROOT = Path(__file__).resolve().parents[2]

SourceLink = Callable[[Path, int], str]
"""Gives the address of a line of a file, from the page that is being written."""


@dataclass(frozen=True)
class Concept:
    """One page: a title, a line about it, and the modules whose public names it has."""

    page: str
    title: str
    about: str
    modules: tuple[str, ...]


CONCEPTS = [
    Concept("tensor", "Tensors and gradients", "Tensors, the functions on them, and automatic differentiation.",
            ("minigen", "minigen.engine", "minigen.backend")),
    Concept("functional", "Functions", "Functions without state, with PyTorch's names: `mg.functional`.",
            ("minigen.functional",)),
    Concept("nn", "Layers", "Modules with weights: `mg.nn`.", ("minigen.nn", "minigen.nn.init", "minigen.nn.utils")),
    Concept("optim", "Optimizers", "Optimizers and schedules of the learning rate: `mg.optim`.",
            ("minigen.optim", "minigen.optim.lr_scheduler")),
    Concept("losses", "Losses", "`mg.losses`: derivations and gradients by name. The losses themselves are in the"
            " [table of losses](../tables/losses.md), each on the page of its derivation.", ("minigen.losses",)),
    Concept("data", "Data", "Data sets, loaders and pictures: `mg.data`.", ("minigen.data",)),
    Concept("models", "Models", "Model families: `mg.models`. All options: [model families](../tables/models.md).",
            ("minigen.models", "minigen.models.networks")),
    Concept("train", "Training", "The loop, runs and checkpoints: `mg.train`.", ("minigen.train",)),
    Concept("metrics", "Metrics", "Numbers about trained models: `mg.metrics`.", ("minigen.metrics",)),
    Concept("visualize", "Pictures of trained models", "Samples, interpolations, manifolds: `mg.visualize`.",
            ("minigen.visualize",)),
    Concept("plot", "Plots", "Curves, image grids, graphs: `mg.plot`.", ("minigen.plot",)),
    Concept("check", "Checking gradients", "Is a gradient right? `mg.check`.", ("minigen.check",)),
    Concept("augment", "Augmentation", "Random transforms that a gradient can pass: `mg.augment`.",
            ("minigen.augment",)),
    Concept("compress", "Compression", "Smaller networks: `mg.compress`.", ("minigen.compress",)),
    Concept("audio", "Sound", "Spectra, pitch, WAV files: `mg.audio`.", ("minigen.audio",)),
    Concept("kernels", "Kernels", "The functions on arrays that do the work: `mg.kernels`.",
            ("minigen.kernels", "minigen.kernels.reference")),
    Concept("course", "Exercises", "Writing exercises that check themselves: `mg.course`.", ("minigen.course",)),
    Concept("bench", "Timing", "Interleaved timing: `mg.bench`.", ("minigen.bench",)),
]  # fmt: skip


@dataclass
class Names:
    """Where each public name is documented."""

    pages: dict[str, str] = field(default_factory=dict)
    """The page of each full name."""
    known: dict[int, str] = field(default_factory=dict)
    """The full name of each function and class, by identity."""
    short: dict[str, set[str]] = field(default_factory=dict)
    derivations: dict[str, str] = field(default_factory=dict)
    """The title of each derivation, by its family."""

    def add(self, full: str, page: str, value: Any = None, member: bool = False) -> None:
        """Note that `full` is documented on `page`; a member of a class is found by the name of its class only."""
        self.pages[full] = page
        if callable(value) and not member:
            self.known[id(value)] = full
        where = getattr(value, "__module__", None)
        if where and not member:  # the file that it is in, as docstrings name it
            self.short.setdefault(f"{where}.{full.rpartition('.')[2]}", set()).add(full)
        parts = full.split(".")
        for i in range(len(parts) - member):
            self.short.setdefault(".".join(parts[i:]), set()).add(full)

    def link(self, name: str) -> str | None:
        """The link for a name in a docstring, or None; "derivation:FAMILY" is the page of a derivation."""
        kind, colon, family = name.partition(":")
        if kind == "derivation" and colon:
            return f'[`derivation("{family}")`](/losses/{family}.md)' if family in self.derivations else None
        wanted = name.removesuffix("()").removeprefix("mg.")
        found = self.short.get(wanted, set())
        if f"minigen.{wanted}" in found:
            found = {f"minigen.{wanted}"}
        return f"{{py:obj}}`{name} <{found.copy().pop()}>`" if len(found) == 1 else None

    def link_for(self, value: Any, full: str = "") -> Link:
        """The function `link` for the docstring of `value`, in which the names of its parameters are no functions.

        A plain word such as `scale` is a link only to a function beside `value`, or at the top of minigen.
        """
        try:
            parameters = set(inspect.signature(value).parameters)
        except (TypeError, ValueError):
            parameters = set()
        beside = full.rpartition(".")[0]

        def link(name: str) -> str | None:
            if name in parameters:
                return None
            if name.isalpha() and name.islower():
                for near in (f"{beside}.{name}", f"minigen.{name}"):
                    if near in self.pages:
                        return f"{{py:obj}}`{name} <{near}>`"
                return None
            return self.link(name)

        return link

    def link_in_losses(self, name: str) -> str | None:
        """The function `link` for derivations, in which `elbo` is the derivation of that name."""
        if name in self.derivations:
            return f"[`{name}`](/losses/{name}.md)"
        return self.link(name) if f"minigen.losses.{name}" in self.pages or not name.isalpha() else None


def collect(families: dict[str, Any]) -> Names:
    """Find every public name and the page that documents it; a name that two modules have belongs to the first."""
    names = Names(derivations={name: family.title for name, family in families.items()})
    for concept in CONCEPTS:
        for module in concept.modules:
            for name, value in _public(module):
                if callable(value) and id(value) in names.known:
                    continue
                family = getattr(value, "__module__", None) or ""
                of_loss = concept.page == "losses" and family.rpartition(".")[2] in families
                where = f"losses/{family.rpartition('.')[2]}" if of_loss else f"api/{concept.page}"
                names.add(f"{module}.{name}", where, value)
                if inspect.isclass(value):
                    for member, _ in _class_members(value):
                        names.add(f"{module}.{name}.{member}", where, member=True)
    return names


def _public(module: str) -> Iterator[tuple[str, Any]]:
    """The public names of a module, without its sub-modules."""
    loaded = import_module(module)
    for name in dict.fromkeys(getattr(loaded, "__all__", ())):
        value = getattr(loaded, name)
        if not inspect.ismodule(value):
            yield name, value


def _class_members(cls: type) -> list[tuple[str, Any]]:
    """The public methods and properties that a class defines itself and documents."""
    found = []
    for name, value in vars(cls).items():
        if (
            name.startswith("_")
            or (name == "extra_repr" and cls.__name__ != "Module")
            or inspect.isclass(value)
            or type(value).__name__ == "_tuplegetter"
        ):
            continue
        inner = value.__func__ if isinstance(value, classmethod | staticmethod) else value
        if (callable(inner) or isinstance(inner, property)) and inspect.getdoc(inner):
            found.append((name, value))
    return found


def page(concept: Concept, names: Names, source: SourceLink) -> str:
    """The page of a concept."""
    out = [f"# {concept.title}", "", concept.about]
    for module in concept.modules:
        if len(concept.modules) > 1:
            out += ["", f"## {module}"]
        link = names.link_in_losses if concept.page == "losses" else names.link_for(None, f"{module}.")
        docstring = demote(to_markdown(import_module(module).__doc__, link), len(concept.modules))
        out += ["", docstring, "", _overview(module, concept, names)]
        here = [
            (name, value)
            for name, value in _public(module)
            if names.pages.get(f"{module}.{name}") == f"api/{concept.page}"
        ]
        out += ["", *(entry(f"{module}.{name}", value, names, source) for name, value in here)]
    return "\n".join(out) + "\n"


def _overview(module: str, concept: Concept, names: Names) -> str:
    """Every public name of a module as a link: those that are documented on another page too."""
    links = []
    for name, value in _public(module):
        full = f"{module}.{name}" if f"{module}.{name}" in names.pages else names.known.get(id(value))
        links.append(f"{{py:obj}}`{name} <{full}>`" if full else f"`{name}`")
    return " · ".join(links)


def members_of(family: str, names: Names, source: SourceLink) -> str:
    """The public functions of one file of `minigen.losses`, for the page of its derivation."""
    return "\n".join(
        entry(f"minigen.losses.{name}", value, names, source)
        for name, value in _public("minigen.losses")
        if names.pages[f"minigen.losses.{name}"] == f"losses/{family}"
    )


def entry(full: str, value: Any, names: Names, source: SourceLink) -> str:
    """One name with its signature and its docstring."""
    from minigen.engine import Primitive

    if inspect.isclass(value):
        return _class_entry(full, value, names, source)
    if isinstance(value, Primitive) or callable(value):
        return _directive("py:function", f"{full}{_signature(value)}", _body(full, value, names, source))
    return _directive("py:data", full, [to_markdown(_comment_below(full), names.link_for(None, full))])


def _class_entry(full: str, cls: type, names: Names, source: SourceLink) -> str:
    body = _body(full, cls, names, source)
    same = []
    for name, value in _class_members(cls):
        inner = value.__func__ if isinstance(value, classmethod | staticmethod) else value
        if id(inner) in names.known:  # a function that is a method too
            same.append(f"{{py:obj}}`{name} <{names.known[id(inner)]}>`")
            continue
        kind, options, text = "py:method", [], f"{name}{_signature(inner, method=not isinstance(value, staticmethod))}"
        if isinstance(inner, property):
            kind, text = "py:property", name
        elif isinstance(value, classmethod):
            options = [":classmethod:"]
        elif isinstance(value, staticmethod):
            options = [":staticmethod:"]
        documented = to_markdown(inspect.getdoc(inner), names.link_for(inner, full))
        body += ["", _directive(kind, f"{full}.{text}", [documented], colons=4, options=options)]
    if same:
        body += ["", f"Methods that are also functions: {' · '.join(same)}."]
    return _directive("py:class", f"{full}{_signature(cls)}", body, colons=5)


def _directive(kind: str, argument: str, body: list[str], colons: int = 4, options: list[str] | None = None) -> str:
    fence = ":" * colons
    return "\n".join([f"{fence}{{{kind}}} {argument}", *(options or []), "", *body, fence, ""])


def _body(full: str, value: Any, names: Names, source: SourceLink) -> list[str]:
    text = inspect.getdoc(value) if not inspect.isclass(value) else value.__doc__
    lines = [to_markdown(text, names.link_for(value, full))]
    inner = getattr(value, "__wrapped__", value)
    try:
        file = Path(inspect.getsourcefile(inner) or "").resolve()
        line = inspect.getsourcelines(inner)[1]
    except (OSError, TypeError):
        return lines
    if file.is_relative_to(ROOT):
        shown = file.relative_to(ROOT)
        lines += ["", f"[{shown.as_posix()}, line {line}]({source(shown, line)})"]
    return lines


def _signature(value: Any, method: bool = False) -> str:
    """The signature without annotations: the docstring has the types in words."""
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):
        return "()"
    parameters = list(signature.parameters.values())
    if method and parameters and parameters[0].name in ("self", "cls"):
        parameters = parameters[1:]
    bare = []
    for parameter in parameters:
        default = parameter.default
        if default is not parameter.empty and (callable(default) or "object at 0x" in repr(default)):
            default = _Shown(getattr(default, "__name__", "..."))
        bare.append(parameter.replace(annotation=parameter.empty, default=default))
    return str(signature.replace(parameters=bare, return_annotation=signature.empty))


class _Shown:
    """A default whose `repr` would have an address."""

    def __init__(self, text: str):
        self.text = text

    def __repr__(self) -> str:
        return self.text


def _comment_below(full: str) -> str:
    """The string below an assignment: what is said of a constant."""
    module, _, name = full.rpartition(".")
    for each in [module, *_submodules(module)]:
        if each not in sys.modules:
            continue
        body = ast.parse(inspect.getsource(sys.modules[each])).body
        for node, following in zip(body, [*body[1:], None]):
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            named = any(isinstance(t, ast.Name) and t.id == name for t in targets)
            if named and isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
                return str(following.value.value)
    return ""


def _submodules(package: str) -> list[str]:
    paths = getattr(import_module(package), "__path__", None)
    return [f"{package}.{info.name}" for info in pkgutil.iter_modules(paths)] if paths else []


def summaries() -> str:
    """The table of concepts, for the index of the interface."""
    rows = [f"| [{concept.title}]({concept.page}.md) | {concept.about} |" for concept in CONCEPTS]
    return "\n".join(["| | |", "|---|---|", *rows])
