"""The loops of a function, found in its control flow.

Source: Aho, Lam, Sethi, Ullman, *Compilers*, 2nd edition, section 9.6 (dominators, back edges, natural loops).
"""

from collections.abc import Mapping, Sequence

__all__ = ["nest"]


def nest(successors: Mapping[str, Sequence[str]], entry: str) -> tuple[list[tuple[str, int, int]], dict[str, int]]:
    """Number the loops of a control-flow graph so that those inside loop i come right after it.

    Parameters
    ----------
    successors : mapping of str to sequence of str
        Which blocks follow which.
    entry : str
        The first block.

    Returns
    -------
    loops : list of (header, parent, inside)
        Number 0 is the function itself, whose parent is -1; `inside` counts the loops within.
    innermost : dict
        The loop of every block that can be reached.

    Examples
    --------
    >>> nest({"a": ["b"], "b": ["c", "e"], "c": ["c", "d"], "d": ["b"], "e": []}, "a")
    ([('a', -1, 2), ('b', 0, 1), ('c', 1, 0)], {'a': 0, 'b': 1, 'c': 2, 'd': 1, 'e': 0})
    """
    order = _reachable(successors, entry)
    dominators = _dominators(successors, order)
    bodies: dict[str, set[str]] = {}
    for block in order:
        for header in successors[block]:
            if header in dominators[block]:  # a back edge
                bodies.setdefault(header, {header}).update(_body(successors, order, block, header))
    headers = sorted(bodies, key=lambda h: (-len(bodies[h]), order.index(h)))
    bodies[""], innermost = set(order), dict.fromkeys(order, "")
    for header in headers:  # larger first, so that smaller ones inside overwrite
        innermost.update(dict.fromkeys(bodies[header], header))
    parent = {h: next((o for o in reversed(headers[: headers.index(h)]) if h in bodies[o]), "") for h in headers}
    loops: list[tuple[str, int, int]] = []

    def number(header: str, above: int) -> None:
        mine = len(loops)
        loops.append((header or entry, above, 0))
        for child in (h for h in order if h in parent and parent[h] == header):
            number(child, mine)
        loops[mine] = (header or entry, above, len(loops) - mine - 1)

    number("", -1)
    numbers = {header: i for i, (header, _, _) in enumerate(loops) if i}
    return loops, {block: numbers.get(header, 0) for block, header in innermost.items()}


def _reachable(successors: Mapping[str, Sequence[str]], entry: str) -> list[str]:
    found, waiting = [], [entry]
    while waiting:
        block = waiting.pop()
        if block not in found:
            found.append(block)
            waiting += reversed(successors[block])
    return found


def _dominators(successors: Mapping[str, Sequence[str]], order: list[str]) -> dict[str, set[str]]:
    """Of every block, those that each path to it passes."""
    dominators = {block: set(order) for block in order}
    dominators[order[0]] = {order[0]}
    changed = True
    while changed:
        changed = False
        for block in order[1:]:
            before = [dominators[b] for b in order if block in successors[b]]
            new = set.intersection(*before) | {block}
            changed |= new != dominators[block]
            dominators[block] = new
    return dominators


def _body(successors: Mapping[str, Sequence[str]], order: list[str], tail: str, header: str) -> set[str]:
    """The blocks from which `tail` can be reached without passing `header`."""
    body, waiting = {header}, [tail]
    while waiting:
        block = waiting.pop()
        if block not in body:
            body.add(block)
            waiting += [b for b in order if block in successors[b]]
    return body
