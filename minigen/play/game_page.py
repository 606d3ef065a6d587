"""The page of the game in the plane: what it asks for, the same for a server and for Python in the browser's tab."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .game import CHOICES, PlaneGame
from .local_server import page_source

__all__ = ["OPTIONS", "answer", "browser_page", "make_answerer"]

OPTIONS = ("data", "loss", "detach", "lr_d", "lr_g", "seed")


def answer(game: PlaneGame, path: str, asked: Mapping[str, Any]) -> Any:
    """Train some steps, or begin again; both give the picture after it.  Or say what can be chosen.

    Parameters
    ----------
    game : PlaneGame
    path : str
        ``/play``, ``/restart`` or ``/choices.json``.
    asked : mapping
        ``steps`` to play, or all of `OPTIONS` to restart.

    Returns
    -------
    object
        For JSON.

    Raises
    ------
    KeyError
        If something is missing in `asked`.
    ValueError
        If something in it is wrong, or there is no such path.

    Examples
    --------
    >>> answer(PlaneGame(), "/play", {"steps": 3})["step"]
    3
    """
    if path == "/choices.json":
        return CHOICES
    if path == "/play":
        game.play(asked["steps"])
    elif path == "/restart":
        unknown = sorted(set(asked) - set(OPTIONS))
        if unknown:
            raise ValueError(f"restart: expected {', '.join(OPTIONS)}, got {unknown[0]}")
        game.restart(**{name: asked[name] for name in OPTIONS})
    else:
        raise ValueError(f"path: expected /play, /restart or /choices.json, got {path}")
    return game.picture()


def make_answerer() -> Callable[[str], str]:
    """A game, behind a function from text to text: JavaScript calls it where Python runs in the browser's tab.

    Returns
    -------
    callable
        Takes ``{"path": ..., "content": ...}`` as JSON, returns ``{"answer": ...}`` or ``{"error": TEXT}``.

    Examples
    --------
    >>> make_answerer()('{"path": "/play", "content": {"steps": 201}}')
    '{"error": "steps: expected a whole number from 0 to 200, got 201"}'
    """
    game = PlaneGame()

    def answer_text(text: str) -> str:
        asked = json.loads(text)
        try:
            return json.dumps({"answer": answer(game, asked["path"], asked["content"])})
        except ValueError as error:
            return json.dumps({"error": str(error)})

    return answer_text


def browser_page(pyodide: str, packages: Sequence[str]) -> str:
    """The page of ``minigen playground`` without a server: it loads Python and minigen into the browser's tab.

    Parameters
    ----------
    pyodide : str
        Address of ``pyodide.js``, also relative to the page's.
    packages : sequence of str
        What Pyodide loads besides NumPy: addresses of wheels, minigen's among them.

    Returns
    -------
    str
        HTML.
    """
    return page_source("playground.html", BROWSER={"pyodide": pyodide, "packages": list(packages)})
