"""Reads a module of NVVM IR line by line: translates it, and has every array access reported where that is wanted.

Numba reaches an array's element by one `getelementptr` from the array's first, or by integer arithmetic on its address
(arrays with strides).  A load or store through such a pointer is an access; all others are Numba's own, on its stack.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

from .access import ATOMIC, LOAD, STORE, Point
from .errors import UnsupportedError
from .loops import nest
from .translate import opaque_pointers, replace_intrinsics

__all__ = ["Instrumented", "instrument"]

_NAME = r'%"?[\w.$]+"?'
_SIZES = {"half": 2, "float": 4, "double": 8, "ptr": 8}
_WORDS = {
    "vote": "warp votes (all_sync, any_sync, ballot_sync)",
    "match": "match_any_sync and match_all_sync",
    "barrier0.": "syncthreads_count, syncthreads_and and syncthreads_or",
    "cudaCG": "cooperative groups (grid sync)",
    "vprintf": "print in a kernel",
}


@dataclass
class Instrumented:
    """What came out of the modules of one kernel.

    Attributes
    ----------
    modules : list of str
        LLVM IR.
    points, barriers : list of Point
        Where memory is touched, and where threads wait; the IR refers to them by number.
    parents : list of int
        The loop around each loop, -1 for a function.
    shared : dict
        Name in the IR of each shared array: (name in Python, bytes, bytes of an element).
    stack : int
        Bytes of local arrays.
    """

    modules: list[str] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)
    barriers: list[Point] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    shared: dict[str, tuple[str, int, int]] = field(default_factory=dict)
    stack: int = 0
    locals: int = 0


def instrument(modules: list[str], check: bool, count: bool) -> Instrumented:
    """Translate the modules of a kernel; with `check` or `count`, report every access to an array."""
    out = Instrumented()
    sources = [opaque_pointers(ir).splitlines() for ir in modules]
    heads = "\n".join(line for lines in sources for line in lines if line.startswith("define"))
    defined = frozenset(re.findall(r'@"([^"]+)"\(', heads))
    for lines in sources:
        _Module(lines, sources, defined, out, check, count).run()
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
    ):
        self.lines, self.sources, self.defined = lines, sources, defined
        self.out, self.check, self.count = out, check, count
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
        shared = re.match(r'@"(_cudapy_d?smem\w*)" = (?:external )?global \[(\d+) x (\w+)\]', line)
        if shared is None:
            self.text.append(line)
            return
        name, length, item = shared[1], int(shared[2]), _size(shared[3])
        self.out.shared[name] = (self._python_name(name), length * item, item)
        if length:
            self.text.append(f'@"{name}" = global [{length * item} x i8] zeroinitializer, align 16')

    def _python_name(self, name: str) -> str:
        """The variable that a shared array is assigned to, from the source line that makes it."""
        import linecache

        for line in self.lines:
            if f'@"{name}" to' in line:
                file, number = self._place(line)
                variable = re.match(r"\s*(\w+)\s*=", linecache.getline(file, number))
                if variable:
                    return variable[1]
        return "shared array"

    # ---- inside

    def _function(self, lines: list[str]) -> None:
        head = next(i for i, line in enumerate(lines) if line.strip() == "{" or line.rstrip().endswith("{")) + 1
        self.text += [_plain(line) for line in lines[:head]]
        self.name = lines[0].split('@"')[1].split('"')[0]
        body = lines[head:-1]
        block_of, headers, base = self._loops(body) if self.count else ({}, {}, 0)
        self.elements: dict[str, str] = {}
        self.integers: dict[str, str] = {}
        block = ""
        for i, line in enumerate(body):
            label = _label(line)
            if label is not None or i == 0:
                block = label or ""
                self.loop = base + block_of.get(block, 0) if self.count else -1
                if label is not None:
                    self.text.append(line)
                if block in headers:
                    loop, inside = headers[block]
                    self.text.append(f"  call void @emu_iterate(i32 {loop}, i32 {inside})")
                if label is not None:
                    continue
            self._instruction(line)
        self.text.append("}")

    def _loops(self, body: list[str]) -> tuple[dict[str, int], dict[str, tuple[int, int]], int]:
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
        self.out.parents += [base + parent if parent >= 0 else -1 for _, parent, _ in loops]
        headers = {header: (base + i, inside) for i, (header, _, inside) in enumerate(loops) if i}
        headers.setdefault(entry, (base, loops[0][2]))
        return innermost, headers, base

    def _instruction(self, line: str) -> None:
        if '@"llvm.dbg.' in line:
            return
        place = self._place(line)
        line = _plain(line)
        translated = replace_intrinsics(line, len(self.out.barriers))
        if re.search(r"@emu_(barrier|warp_barrier|shuffle)\b", translated):
            self.out.barriers.append(Point(*place))
        self._expect_supported(translated, place)
        self._follow(translated)
        if self.check or self.count:
            translated = self._access(translated, place)
        self.text.append(translated)
        local = re.match(r'\s*(%"?_cudapy_lmem[\w.]*"?) = alloca (.*?)(, align \d+)?$', translated)
        if local:
            size = _size(local[2])
            self.out.stack += size
            if self.check:
                self.text.append(f"  call void @emu_local(ptr {local[1]}, i64 {size}, i32 {self.out.locals})")
                self.out.locals += 1

    def _expect_supported(self, line: str, place: tuple[str, int]) -> None:
        found = re.search(r'@"?(llvm\.nvvm\.[\w.]+|cudaCG\w+)"?\(|( asm )', line) or self._foreign(line)
        if found:
            what = found[1] or re.sub(r'.*asm (?:sideeffect )?"([^"]*)".*', r"inline assembly: \1", line)
            file, number = place if "numba_cuda" not in place[0] else self._caller(place)
            raise UnsupportedError(
                f"{describe(what)}: the emulator has no such thing ({Path(file).name}, line {number or 'unknown'})"
            )

    def _foreign(self, line: str) -> re.Match[str] | None:
        """A call of a function that is neither the kernel's nor libdevice's.

        The C library may have a function of that name, with other arguments: its ``vprintf`` is not CUDA's.
        """
        found = re.search(r'\bcall [^@]*@"([^"]+)"\(', line)
        known = found is None or found[1] in self.defined or found[1].startswith(("__nv_", "llvm.", "emu_"))
        return None if known else found

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
        step = re.match(rf"\s*({_NAME}) = getelementptr (?:inbounds )?(.*?), ptr ({_NAME}|@[\w.$\"]+), (.*?) *$", line)
        if step:
            name, _, base, indices = step.groups()
            if base in self.elements:
                self.elements[name] = self.elements[base]
            elif indices.count(",") == 0:
                self.elements[name] = base
            return
        step = re.match(rf"\s*({_NAME}) = (bitcast|ptrtoint|inttoptr|add|sub) (?:n[us]w )*\w+ ({_NAME})(.*)", line)
        if step is None:
            return
        name, how, source, rest = step.groups()
        if how == "bitcast" and source in self.elements:
            self.elements[name] = self.elements[source]
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
        found = re.search(
            rf"(?:= (?P<load>load) (?:volatile )?(?P<t1>.+?), |^\s*(?P<store>store) (?:volatile )?(?P<t2>.+?) [^ ]+, "
            rf"|= (?:atomicrmw|cmpxchg) .*?|= call (?P<t3>\w+) @\"?(?:emu_add_\w+|___numba_atomic\w+)\"?\()"
            rf"ptr (?P<pointer>{_NAME})",
            line,
        )
        if found is None or found["pointer"] not in self.elements:
            return line
        kind = LOAD if found["load"] else STORE if found["store"] else ATOMIC
        written = found["t1"] or found["t2"] or found["t3"]
        if written is None:  # atomicrmw add ptr %p, i32 %v
            written = line[found.end() :].split(",")[1].split()[0]
        number, pointer = len(self.out.points), found["pointer"]
        self.out.points.append(Point(*place, kind, _size(written), self.loop))
        if self.count:
            self.text.append(f"  call void @emu_count(ptr {pointer}, i32 {number})")
        if not self.check:
            return line
        safe, base = f"%emu.{number}", self.elements[pointer]
        self.text.append(f"  {safe} = call ptr @emu_watch(ptr {base}, ptr {pointer}, i32 {number})")
        return f"{line[: found.start('pointer')]}{safe}{line[found.end('pointer') :]}"

    def _place(self, line: str) -> tuple[str, int]:
        found = re.search(r"!dbg !(\d+)", line)
        return self.places.get(found[1], ("", 0)) if found else ("", 0)


def describe(name: str) -> str:
    """A name from the IR in the words of Numba's documentation."""
    short = name.removeprefix("llvm.nvvm.")
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
        return sum(_size(part) for part in written.strip("{} ").split(","))
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
