"""The game in the plane behind HTTP."""

from typing import Any

from .game import PlaneGame
from .game_page import answer
from .local_server import LocalHandler, LocalServer, RefusedError, as_json, listen, page_source

__all__ = ["GameHandler", "make_game_server"]


def make_game_server(game: PlaneGame, port: int = 0) -> LocalServer:
    """Serve a game; parameters and errors as `minigen.play.local_server.listen`."""
    return listen(GameHandler, game, port)


class GameHandler(LocalHandler):
    """Answer what the page of ``minigen playground`` asks for."""

    def answer_get(self) -> tuple[str, bytes]:
        """The page, and what can be chosen."""
        if self.path == "/":
            return "text/html; charset=utf-8", page_source("playground.html").encode()
        return self._answer_at("/choices.json", {})

    def answer_post(self) -> tuple[str, bytes]:
        """Train some steps, or begin again; both give the picture after it."""
        asked = self.body()
        return self._answer_at("/restart" if self.path == "/restart" else "/play", asked)

    def _answer_at(self, path: str, asked: dict[str, Any]) -> tuple[str, bytes]:
        if self.path != path:
            raise RefusedError(404, "there is no such page")
        return as_json(answer(self.server.content, path, asked))
