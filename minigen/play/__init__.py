"""A page of this machine: ``minigen play RUN``, to touch a trained model.

The server is Python's own ``http.server``.  A page is one HTML file that asks no other host for anything.

================ ================================================================
`PlaySession`    what the page can ask a trained model for, as arrays and pictures
`make_server`    the session behind HTTP, for this machine only
`static_page`    one HTML file that needs neither Python nor a server
================ ================================================================
"""

from .directions import Directions, find_directions
from .export import static_page
from .server import make_server
from .session import PlaySession

__all__ = [
    "Directions",
    "PlaySession",
    "find_directions",
    "make_server",
    "static_page",
]
