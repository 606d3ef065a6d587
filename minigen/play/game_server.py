"""The game in the plane behind HTTP."""

from typing import Any

from .game import CHOICES, PlaneGame
from .local_server import LocalHandler, LocalServer, RefusedError, as_json, listen, page_source

__all__ = ["GameHandler", "make_game_server"]

OPTIONS = ("data", "loss", "detach", "lr_d", "lr_g", "seed")


def make_game_server(game: PlaneGame, port: int = 0) -> LocalServer:
    """Serve a game; parameters and errors as `minigen.play.local_server.listen`."""
    return listen(GameHandler, game, port)


class GameHandler(LocalHandler):
    """Answer what the page of ``minigen playground`` asks for."""

    def answer_get(self) -> tuple[str, bytes]:
        """The page, and what can be chosen."""
        if self.path == "/":
            return "text/html; charset=utf-8", page_source("playground.html").encode()
        if self.path == "/choices.json":
            return as_json(CHOICES)
        raise RefusedError(404, "there is no such page")

    def answer_post(self) -> tuple[str, bytes]:
        """Train some steps, or begin again; both give the picture after it."""
        game: PlaneGame = self.server.content
        asked = self.body()
        if self.path == "/play":
            game.play(asked["steps"])
        elif self.path == "/restart":
            unknown = sorted(set(asked) - set(OPTIONS))
            if unknown:
                raise ValueError(f"restart: expected {', '.join(OPTIONS)}, got {unknown[0]}")
            chosen: dict[str, Any] = {name: asked[name] for name in OPTIONS}
            game.restart(**chosen)
        else:
            raise RefusedError(404, "there is no such page")
        return as_json(game.picture())
