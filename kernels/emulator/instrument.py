"""Reads a module of NVVM IR line by line: translates it, and has every array access reported where that is wanted.

Numba reaches an array's element by one `getelementptr` from the array's first, or by integer arithmetic on its address
(arrays with strides).  A load or store through such a pointer is an access; all others are Numba's own, on its stack.
"""

import linecache
import math
import re
from dataclasses import dataclass, field
from pathlib import Path

from .access import ATOMIC, INDEX, LOAD, STORE, Point
from .errors import UnsupportedError
from .functions import host_name, is_half
from .indices import NAME as _NAME
from .indices import Index, Trail
from .loops import nest
from .translate import opaque_pointers, replace_intrinsics

__all__ = ["Array", "Instrumented", "instrument"]

# Where the kernel touches memory.
_TOUCHES = re.compile(
    rf"(?:= (?P<load>load) (?:volatile )?(?P<t1>.+?), |^\s*(?P<store>store) (?:volatile )?(?P<t2>.+) [^ ]+, "
    rf"|= (?:atomicrmw|cmpxchg) .*?|= call (?P<t3>\w+) @\"?(?:emu_atomic_\w+)\"?\()"
    rf"ptr (?P<pointer>{_NAME})(?=[ ,)]|$)"
)
# The type of a range's or an array's iterator, and the fields that point to the iterator's own variables.
_ITERATOR = r"(\{ptr, i\d+, i\d+, ptr\} i32 0, i32 [03]|\{ptr, \{ptr, ptr, i64.*\}\} i32 0, i32 0)$"
# A shared or a constant array.
_ARRAY = re.compile(
    r'@"(_cudapy_(?:d?smem|(c)mem)[\w.]*)" = (?:external |internal )?(?:global|constant) \[(\d+) x (.+?)\](?:[ ,]|$)'
)
_SIZES = {"half": 2, "float": 4, "double": 8, "ptr": 8}
_WORDS = {
    "cudaCG": "cooperative groups (grid sync)",
    "vprintf": "print in a kernel",
}


@dataclass(frozen=True)
class Array:
    """An array that the kernel makes: shared, constant, or a thread's own.

    Attributes
    ----------
    name : str
        In Python.
    bytes, itemsize : int
    shape : tuple of int or None
        None: the launch decides, or it was not found.
    constant : bool
    """

    name: str
    bytes: int
    itemsize: int
    shape: tuple[int, ...] | None = None
    constant: bool = False


@dataclass
class Instrumented:
    """What came out of the modules of one kernel.

    Attributes
    ----------
    modules : list of str
        LLVM IR.
    points, barriers : list of Point
        Where memory is touched, and where threads wait; the IR refers to them by number.
    axes : list of (int, int, int)
        Of every index that is compared with its axis's length: the point, the axis, and how many axes the array has.
    loops : list of Point
        Where each loop begins.
    parents : list of int
        The loop around each loop, -1 for a function.
    shared : dict
        The shared and constant arrays, by their names in the IR.
    locals : list of Array
        Those of one thread.
    stack : int
        Bytes of local arrays.
    functions : int
        How many; each counts as a loop around its own.
    """

    modules: list[str] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)
    barriers: list[Point] = field(default_factory=list)
    axes: list[tuple[int, int, int]] = field(default_factory=list)
    loops: list[Point] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    shared: dict[str, Array] = field(default_factory=dict)
    locals: list[Array] = field(default_factory=list)
    stack: int = 0
    functions: int = 0


def instrument(modules: list[str], check: bool, count: bool, turns: bool) -> Instrumented:
    """Translate the modules of a kernel.

    With `check` or `count`, report every access to an array; with `turns`, every iteration of a loop.
    """
    out = Instrumented()
    sources = [opaque_pointers(ir).splitlines() for ir in modules]
    heads = "\n".join(line for lines in sources for line in lines if line.startswith("define"))
    defined = frozenset(re.findall(r'@"([^"]+)"\(', heads))
    for lines in sources:
        _Module(lines, sources, defined, out, check, count, turns).run()
    return out


class _Module:
    def __init__(
        self,
        lines: list[str],
        sources: list[list[str]],
        defined: frozenset[str],
        out: Instrumented,
        check: bool,
        count: bool,
        turns: bool,
    ):
        self.lines, self.sources, self.defined = lines, sources, defined
        self.out, self.check, self.count, self.turns = out, check, count, turns
        self.places = _debug_locations(lines)
        self.text: list[str] = []

    def run(self) -> None:
        at = 0
        while at < len(self.lines):
            if self.lines[at].startswith("define"):
                end = self.lines.index("}", at)
                self._function(self.lines[at : end + 1])
                at = end
            else:
                self._toplevel(self.lines[at])
            at += 1
        self.out.modules.append("\n".join(self.text))

    # ---- outside functions

    def _toplevel(self, line: str) -> None:
        if re.match(r'!|target |@"?llvm\.used|declare .*@"?llvm\.(nvvm|dbg)', line):
            return
        made = _ARRAY.match(line)
        if made is None:
            self.text.append(line)
            return
        name, constant, length, item = made[1], bool(made[2]), int(made[3]), _size(made[4])
        kind = "constant array" if constant else "shared array"
        self.out.shared[name] = self._array(f'@"{name}" to', kind, length * item, item, constant)
        if constant:
            self.text.append(line.replace(" internal ", " "))
        elif length:
            self.text.append(f'@"{name}" = global [{length * item} x i8] zeroinitializer, align 16')

    def _array(self, cast: str, kind: str, size: int, item: int, constant: bool = False) -> Array:
        """What the source says of the array whose address the line with `cast` takes: its variable and its shape."""
        for at, line in enumerate(self.lines):
            if cast not in line:
                continue
            axes: list[int] = []
            for later in self.lines[at : at + 16]:
                axis = re.search(r"= insertvalue \[(\d+) x i64\] [^,]+, i64 (\d+), (\d+)", later)
                if axis and int(axis[3]) == len(axes) < int(axis[1]):
                    axes.append(int(axis[2]))
                    if len(axes) == int(axis[1]):
                        break
            item = item if not constant or not axes else size // max(1, math.prod(axes))
            shape = tuple(axes) if axes and math.prod(axes) * item == size else None
            variable = re.match(r"\s*(\w+)\s*=.*\barray", linecache.getline(*self._place(line)))
            return Array(variable[1] if variable else kind, size, item, shape, constant)
        return Array(kind, size, item, None, constant)

    # ---- inside

    def _function(self, lines: list[str]) -> None:
        head = next(i for i, line in enumerate(lines) if line.strip() == "{" or line.rstrip().endswith("{")) + 1
        self.text += [_plain(line) for line in lines[:head]]
        self.name = lines[0].split('@"')[1].split('"')[0]
        body = lines[head:-1]
        graph = self._loops(body)
        self.trail = Trail()
        self.elements: dict[str, str] = {}
        self.integers: dict[str, str] = {}
        self.own: set[str] = set()  # pointers to the function's own variables
        self.links: set[str] = set()  # and to pointers to them
        self.touched = frozenset(found["pointer"] for line in body if (found := _TOUCHES.search(_plain(line))))
        for i, line in enumerate(body):
            label = _label(line)
            if label is not None or i == 0:
                block = label or ""
                self.loop = graph.innermost.get(block, graph.base)
                if label is not None:
                    self.text.append(line)
                if i == 0 and self.turns:
                    self.text += [f"  %emu.turns.{loop} = alloca i64" for loop in graph.headers.values()]
                if self.count and block in graph.headers | {graph.entry: graph.base}:
                    loop = graph.headers.get(block, graph.base)
                    self.text.append(f"  call void @emu_iterate(i32 {loop}, i32 {graph.inside[loop]})")
                if label is not None:
                    continue
            if self.turns and re.match(r"\s+(br|switch) ", line):
                self.text += graph.at_end(block)
            self._instruction(line)
        self.text.append("}")

    def _loops(self, body: list[str]) -> "_Loops":
        successors: dict[str, list[str]] = {}
        block = ""
        for i, line in enumerate(body):
            label = _label(line)
            if label is not None or i == 0:
                block = label or ""
                successors[block] = []
            if re.match(r"\s+(br|switch|\]|i\d+ -?\d+, label)", line) or " label %" in line:
                successors[block] += [name.strip('"') for name in re.findall(r'label %("[^"]*"|[\w.$]+)', line)]
        entry = next(iter(successors))
        loops, innermost = nest(successors, entry)
        base = len(self.out.parents)
        self.out.functions += 1
        self.out.parents += [base + parent if parent >= 0 else -1 for _, parent, _ in loops]
        headers = {header: base + i for i, (header, _, _) in enumerate(loops) if i}
        lines = self._lines(body)
        for i, (_, _, inside) in enumerate(loops):
            places = [p for block, loop in innermost.items() if i <= loop <= i + inside for p in lines[block]]
            self.out.loops.append(Point(*min(places, default=("", 0), key=lambda place: place[1])))
        return _Loops(
            successors,
            entry,
            base,
            headers,
            {base + i: inside for i, (_, _, inside) in enumerate(loops)},
            {block: base + loop for block, loop in innermost.items()},
        )

    def _lines(self, body: list[str]) -> dict[str, set[tuple[str, int]]]:
        """The source lines of each block; of Numba's own functions, where the kernel calls them."""
        lines: dict[str, set[tuple[str, int]]] = {}
        block = ""
        for i, line in enumerate(body):
            label = _label(line)
            block = label or "" if label is not None or i == 0 else block
            here = lines.setdefault(block, set())
            if "!dbg" in line and self._place(line)[1]:
                here.add(self._place(line))
        if any("numba_cuda" in file for places in lines.values() for file, _ in places):
            lines = {block: {self._caller(place) for place in places} for block, places in lines.items()}
        return lines

    def _instruction(self, line: str) -> None:
        if '@"llvm.dbg.' in line:
            return
        place = self._place(line)
        line = _plain(line)
        translated = replace_intrinsics(line, len(self.out.barriers))
        if re.search(r"@emu_(barrier|barrier_\w+|meet|shuffle|vote|match_\w+|active)\(", translated):
            self.out.barriers.append(Point(*place))
        self._expect_supported(translated, place)
        self._follow(translated)
        defined = self.trail.note(translated)
        if self.check or self.count:
            translated = self._access(translated, place)
        self.text.append(translated)
        if self.check and defined and defined not in self.touched:
            axes = [index for index in self.trail.indices(defined) if index.size]
            if axes:  # a part of an array: its first indices
                self.out.points.append(Point(*place, INDEX, 1, self.loop))
                self._compare(axes, len(self.out.points) - 1, self.elements[defined])
        local = re.match(r'\s*(%"?_cudapy_lmem[\w.]*"?) = alloca \[(\d+) x (.*?)\](, align \d+)?$', translated)
        if local:
            item = _size(local[3])
            size = int(local[2]) * item
            if self.check:
                number, name = len(self.out.locals), local[1]
                self.text.append(f"  call void @emu_local(ptr {name}, i64 {size}, i32 {number}, i64 {self.out.stack})")
                self.out.locals.append(self._array(f"{name} to", "a local array", size, item))
            self.out.stack += size

    def _expect_supported(self, line: str, place: tuple[str, int]) -> None:
        found = re.search(r'@"?(llvm\.nvvm\.[\w.]+|cudaCG\w+)"?\(|( asm )', line) or self._foreign(line)
        if found:
            what = found[1] or re.sub(r'.*asm +(?:sideeffect )?"([^"]*)".*', r"inline assembly: \1", line)
            file, number = place if "numba_cuda" not in place[0] else self._caller(place)
            raise UnsupportedError(
                f"{describe(what)}: the emulator has no such thing ({Path(file).name}, line {number or 'unknown'})"
            )

    def _foreign(self, line: str) -> re.Match[str] | None:
        """A call of a function that is neither the kernel's nor libdevice's.

        The C library may have a function of that name, with other arguments: its ``vprintf`` is not CUDA's.
        """
        found = re.search(r'\bcall [^@]*@"([^"]+)"\(', line)
        if found is None or found[1] in self.defined or found[1].startswith(("llvm.", "emu_")):
            return None
        if found[1].startswith("__nv_"):
            return found if host_name(found[1].removeprefix("__nv_")) is None else None
        return None if is_half(found[1]) else found

    def _caller(self, place: tuple[str, int]) -> tuple[str, int]:
        """Where the kernel calls the function of Numba's own that is being read, or this place if it does not."""
        for lines in self.sources:
            places = None
            for line in lines:
                found = re.search(r"!dbg !(\d+)", line) if f'@"{self.name}"(' in line and " call " in line else None
                if found:
                    places = places or _debug_locations(lines)
                    return places.get(found[1], place)
        return place

    def _follow(self, line: str) -> None:
        """Keep track of which pointers lead to an array's element, and from which pointer they were computed."""
        made = re.match(rf"\s*({_NAME}) = alloca ", line)
        if made:
            self.own.add(made[1])
            return
        step = re.match(rf"\s*({_NAME}) = getelementptr (?:inbounds )?(.*?), ptr ({_NAME}|@[\w.$\"]+), (.*?) *$", line)
        if step:
            name, kind, base, indices = step.groups()
            if base in self.elements:
                self.elements[name] = self.elements[base]
            elif indices.count(",") == 0:
                self.elements[name] = base
            elif base in self.own:
                self.own.add(name)
                if re.match(_ITERATOR, f"{kind} {indices}"):
                    self.links.add(name)
            return
        step = re.match(rf"\s*({_NAME}) = load ptr, ptr ({_NAME})", line)
        if step and step[2] in self.links:
            self.own.add(step[1])
        step = re.match(rf"\s*({_NAME}) = (bitcast|ptrtoint|inttoptr|add|sub) (?:n[us]w )*\w+ ({_NAME})(.*)", line)
        if step is None:
            return
        name, how, source, rest = step.groups()
        if how == "bitcast" and source in self.elements:
            self.elements[name] = self.elements[source]
        elif how == "bitcast" and source in self.own:
            self.own.add(name)
        elif how == "ptrtoint":
            self.integers[name] = self.elements.get(source, source)
        elif how == "inttoptr" and source in self.integers:
            self.elements[name] = self.integers[source]
        elif how in ("add", "sub"):
            other = re.match(rf", ({_NAME})", rest)
            for term in (source, other[1] if other else ""):
                if term in self.integers:
                    self.integers[name] = self.integers[term]

    def _access(self, line: str, place: tuple[str, int]) -> str:
        """Have the access on this line reported, if there is one."""
        found = _TOUCHES.search(line)
        if found is None:
            return line
        pointer = found["pointer"]
        if pointer not in self.elements and (not self.check or pointer in self.own or pointer.startswith('%".ret')):
            return line
        kind = LOAD if found["load"] else STORE if found["store"] else ATOMIC
        written = found["t1"] or found["t2"] or found["t3"]
        if written is None:  # atomicrmw add ptr %p, i32 %v
            written = line[found.end() :].split(",")[1].split()[0]
        number = len(self.out.points)
        self.out.points.append(Point(*place, kind, _size(written), self.loop))
        if self.count:
            self.text.append(f"  call void @emu_count(ptr {pointer}, i32 {number})")
        if not self.check:
            return line
        safe, base = f"%emu.{number}", self.elements.get(pointer, pointer)
        self._compare(self.trail.indices(pointer), number, base)
        self.text.append(f"  {safe} = call ptr @emu_watch(ptr {base}, ptr {pointer}, i32 {number})")
        return f"{line[: found.start('pointer')]}{safe}{line[found.end('pointer') :]}"

    def _compare(self, indices: list[Index], point: int, base: str) -> None:
        """Have the indices of one access compared with the lengths of their axes."""
        for index in indices:
            number, size = len(self.out.axes), index.size
            self.out.axes.append((point, index.axis, index.axes))
            if not size:
                kind, array = index.array
                place, size = f"%emu.axis.{number}", f"%emu.size.{number}"
                self.text.append(
                    f"  {place} = getelementptr inbounds {kind}, ptr {array}, i32 0, i32 5, i32 {index.axis}"
                )
                self.text.append(f"  {size} = load i64, ptr {place}")
            sign = "" if index.size else "_unsigned"
            self.text.append(f"  call void @emu_index{sign}(ptr {base}, i64 {index.value}, i64 {size}, i32 {number})")

    def _place(self, line: str) -> tuple[str, int]:
        found = re.search(r"!dbg !(\d+)", line)
        return self.places.get(found[1], ("", 0)) if found else ("", 0)


@dataclass(frozen=True)
class _Loops:
    """The loops of one function, with their numbers in the whole program."""

    successors: dict[str, list[str]]
    entry: str
    base: int
    """The number of the function itself, as the loop around all."""
    headers: dict[str, int]
    inside: dict[int, int]
    """How many loops a loop contains."""
    innermost: dict[str, int]

    def at_end(self, block: str) -> list[str]:
        """What to do before a jump: back to a loop's header is one more turn, into it from outside is the first."""
        lines = []
        for target in dict.fromkeys(self.successors.get(block, [])):
            loop = self.headers.get(target)
            if loop is None or block not in self.innermost:
                continue
            if loop <= self.innermost[block] <= loop + self.inside[loop]:
                lines.append(f"  call void @emu_turn(ptr %emu.turns.{loop}, i32 {loop})")
            else:
                lines.append(f"  store i64 0, ptr %emu.turns.{loop}")
        return lines


def describe(name: str) -> str:
    """A name from the IR in the words of Numba's documentation."""
    short = name.removeprefix("llvm.nvvm.")
    if short.startswith("__nv_"):
        return f"libdevice's {short.removeprefix('__nv_')}"
    return next((words for start, words in _WORDS.items() if short.startswith(start)), short)


def _plain(line: str) -> str:
    """The line without debug information and other metadata."""
    return re.sub(r" *,? *!(dbg|range|tbaa|noalias|alias\.scope|prof|llvm\.loop) !\d+", "", line).rstrip()


def _label(line: str) -> str | None:
    found = re.match(r'("[^"]*"|[\w.$]+):', line)
    return found[1].strip('"') if found else None


def _size(written: str) -> int:
    """Bytes of an IR type, such as ``<4 x float>``."""
    written = written.strip()
    if found := re.match(r"[<\[](\d+) x (.*)[>\]]$", written):
        return int(found[1]) * _size(found[2])
    if written.startswith("{"):
        parts = re.sub(r"[{}]", ",", written).split(",")  # those of inner structures are the structure's own
        return sum(_size(part) for part in parts if part.strip())
    if found := re.match(r"i(\d+)$", written):
        return max(1, int(found[1]) // 8)
    return _SIZES[written]


def _debug_locations(lines: list[str]) -> dict[str, tuple[str, int]]:
    """File and line of every debug location in the module."""
    found = (re.match(r"!(\d+) = (?:distinct )?!?(DI\w+\(.*\))$", line) for line in lines)
    nodes = {match[1]: match[2] for match in found if match}

    def entry(node: str, key: str) -> str | None:
        found = re.search(rf'\b{key}: !?("[^"]*"|\w+)', nodes.get(node, ""))
        return found[1].strip('"') if found else None

    places = {}
    for number, text in nodes.items():
        if not text.startswith("DILocation("):
            continue
        scope, file = entry(number, "scope"), None
        while scope is not None and file is None:
            file, scope = entry(scope, "file"), entry(scope, "scope")
        folder, name = (entry(file, "directory") or "", entry(file, "filename") or "") if file else ("", "")
        path = name if name.startswith("<") or not folder else f"{folder}/{name}"
        places[number] = (path, int(entry(number, "line") or 0))
    return places
