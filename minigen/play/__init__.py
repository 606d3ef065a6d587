"""Pages of this machine: ``minigen play RUN`` for a trained model, ``minigen playground`` for a GAN in the plane.

The server is Python's own ``http.server``.  A page is one HTML file that asks no other host for anything.

================ ================================================================
`PlaySession`    what the page can ask a trained model for, as arrays and pictures
`make_server`    the session behind HTTP, for this machine only
`static_page`    one HTML file that needs neither Python nor a server
`PlaneGame`      a small GAN in the plane, step by step
`browser_page`   its page without a server: Python runs in the browser's tab
================ ================================================================
"""

from .directions import Directions, find_directions
from .export import static_page
from .game import PlaneGame
from .game_page import browser_page
from .game_server import make_game_server
from .server import make_server
from .session import PlaySession

__all__ = [
    "Directions",
    "PlaneGame",
    "PlaySession",
    "browser_page",
    "find_directions",
    "make_game_server",
    "make_server",
    "static_page",
]
