"""Where to put the boxes of a layered drawing (Sugiyama, Tagawa and Toda 1981): no graphics, only numbers.

Every box gets a layer, below all boxes it depends on.  An edge that passes through a layer gets a bend
there, which takes part as a box of no width.  Each layer is put in an order that crosses few edges: every box moves to
the mean position of its neighbours, back and forth.  Then positions: each layer is moved as close to the mean of its
neighbours as its order and its widths allow, which is a least-squares problem that pooling adjacent violators solves.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Layout", "arrange", "port"]

GAP = 0.3  # between two boxes of a layer, in the unit of the widths
SWEEPS = 24


@dataclass(frozen=True)
class Layout:
    """A finished arrangement.

    Parameters
    ----------
    layer : list of int
        The layer of each box, 0 on top.
    x : list of float
        The horizontal centre of each box.
    bends : list of list of (int, float)
        For each edge the layers that it passes through, with where.
    width : float
    layers : int
    """

    layer: list[int]
    x: list[float]
    bends: list[list[tuple[int, float]]]
    width: float
    layers: int


def arrange(widths: Sequence[float], edges: Sequence[tuple[int, int]]) -> Layout:
    """Lay out boxes of these widths; each edge (i, j) points from box i down to box j, and i < j or i comes first.

    Parameters
    ----------
    widths : sequence of float
    edges : sequence of (int, int)
        Without cycles; the same pair may occur twice.

    Returns
    -------
    Layout

    Raises
    ------
    ValueError
        If the edges form a cycle.

    Examples
    --------
    >>> layout = arrange([1, 1, 1], [(0, 2), (1, 2)])
    >>> layout.layer, layout.x
    ([0, 0, 1], [0.5, 1.8, 1.15])
    """
    layer = _layers(len(widths), edges)
    sizes, level = list(map(float, widths)), list(layer)
    drawing = _Links([], {}, {})
    chains: list[list[int]] = []
    for e, (source, target) in enumerate(edges):
        chain = [source]
        for row in range(layer[source] + 1, layer[target]):
            chain.append(len(sizes))
            sizes.append(0.0)
            level.append(row)
        chain.append(target)
        chains.append(chain[1:-1])
        arrivals = [f for f, (_, end) in enumerate(edges) if end == target]
        for i, j in zip(chain, chain[1:]):
            drawing.add(i, j, port(arrivals.index(e), len(arrivals)) if j == target else 0.0)
    rows = [[i for i, row in enumerate(level) if row == n] for n in range(max(level) + 1)]
    rows = _order(rows, drawing)
    x = _positions(rows, sizes, drawing)
    left = min(x[i] - sizes[i] / 2 for i in range(len(sizes)))
    x = [round(value - left, 4) for value in x]
    width = max(x[i] + sizes[i] / 2 for i in range(len(sizes)))
    bends = [[(level[i], x[i]) for i in chain] for chain in chains]
    return Layout(layer, x[: len(widths)], bends, width, len(rows))


def port(k: int, count: int) -> float:
    """Where the k-th of `count` arrows arrives, from -1/2 at the left edge of a box to 1/2 at the right."""
    return (k + 1) / (count + 1) - 0.5


@dataclass(frozen=True)
class _Links:
    """Edges cut into pieces of one layer: (i, j, port); and the neighbours of each box, with their ports."""

    pieces: list[tuple[int, int, float]]
    above: dict[int, list[tuple[int, float]]]
    below: dict[int, list[tuple[int, float]]]

    def add(self, i: int, j: int, where: float) -> None:
        self.pieces.append((i, j, where))
        self.above.setdefault(j, []).append((i, 0.0))
        self.below.setdefault(i, []).append((j, where))

    def weight(self, i: int) -> int:
        """Sources give way to the boxes that depend on them."""
        return 4 if self.above.get(i) else 1


def _layers(count: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    """The longest way from a source; sources then move down to just above their first use."""
    layer = [0] * count
    for turn in range(count + 1):
        moved = False
        for i, j in edges:
            if layer[j] <= layer[i]:
                layer[j], moved = layer[i] + 1, True
        if not moved:
            break
        if turn == count:
            raise ValueError("arrange: the edges form a cycle")
    ends = {j for _, j in edges}
    for i in range(count):
        uses = [layer[j] for source, j in edges if source == i]
        if i not in ends and uses:
            layer[i] = min(uses) - 1
    return layer


def _order(rows: list[list[int]], links: _Links) -> list[list[int]]:
    """Sort each layer by the mean place of its neighbours, downwards and upwards in turn; keep the best."""
    best, fewest = rows, _crossings(rows, links)
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        neighbours = links.above if down else links.below
        rows = list(rows)
        for n in range(1, len(rows)) if down else range(len(rows) - 2, -1, -1):
            place = {i: p for p, i in enumerate(rows[n - 1 if down else n + 1])}
            keys = {i: float(p) for p, i in enumerate(rows[n])}
            keys |= {i: float(np.mean([place[j] + at for j, at in neighbours[i]])) for i in rows[n] if i in neighbours}
            rows[n] = sorted(rows[n], key=keys.__getitem__)
        crossings = _crossings(rows, links)
        if crossings < fewest:
            best, fewest = rows, crossings
    return best


def _crossings(rows: list[list[int]], links: _Links) -> int:
    place = {i: (n, p) for n, row in enumerate(rows) for p, i in enumerate(row)}
    pieces = sorted((*place[i], place[j][1] + at) for i, j, at in links.pieces)
    return sum(
        a[0] == b[0] and a[1] < b[1] and a[2] > b[2] for k, a in enumerate(pieces) for b in pieces[k + 1 :]
    )  # fmt: skip


def _positions(rows: list[list[int]], sizes: list[float], links: _Links) -> list[float]:
    x = [0.0] * len(sizes)
    for row in rows:
        for i, start in zip(row, _starts(row, sizes)):
            x[i] = start
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        first, second = (links.above, links.below) if down else (links.below, links.above)
        for row in rows if down else reversed(rows):
            wishes = []
            for i in row:
                near = first.get(i) or second.get(i) or [(i, 0.0)]
                weights = [links.weight(j) for j, _ in near]
                wishes.append(float(np.average([x[j] + at * sizes[j] for j, at in near], weights=weights)))
            starts = _starts(row, sizes)
            offsets = [wish - start for wish, start in zip(wishes, starts)]
            for i, start, offset in zip(row, starts, _nondecreasing(offsets, [links.weight(i) for i in row])):
                x[i] = start + offset
    return x


def _starts(row: list[int], sizes: list[float]) -> list[float]:
    """Centres of a layer's boxes when packed side by side."""
    centres, edge = [], 0.0
    for i in row:
        centres.append(edge + sizes[i] / 2)
        edge += sizes[i] + GAP
    return centres


def _nondecreasing(wishes: list[float], weights: list[int]) -> list[float]:
    """The nondecreasing sequence nearest to `wishes` in the weighted least-squares sense: pool adjacent violators."""
    pools: list[tuple[float, int, int]] = []  # mean, weight, how many
    for wish, weight in zip(wishes, weights):
        pools.append((wish, weight, 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (b, v, m), (a, w, n) = pools.pop(), pools.pop()
            pools.append(((a * w + b * v) / (w + v), w + v, n + m))
    return [mean for mean, _, count in pools for _ in range(count)]
