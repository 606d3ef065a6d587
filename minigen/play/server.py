"""The session behind HTTP: which path gives what."""

from typing import TYPE_CHECKING, Any

from .._util.data_url import data_url
from .local_server import LocalHandler, LocalServer, RefusedError, as_json, listen, page_source
from .session import MAX_CODES, PlaySession, png_bytes

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["PlayHandler", "make_server"]


def make_server(session: PlaySession, port: int = 0) -> LocalServer:
    """Serve a session; parameters and errors as `minigen.play.local_server.listen`."""
    return listen(PlayHandler, session, port)


class PlayHandler(LocalHandler):
    """Answer what the page of ``minigen play`` asks for."""

    def answer_get(self) -> tuple[str, bytes]:
        """The page, what it has to know, and stored samples."""
        session: PlaySession = self.server.content
        if self.path == "/":
            return "text/html; charset=utf-8", page_source("page.html").encode()
        if self.path == "/model.json":
            return as_json(session.describe())
        epoch = self.path.removeprefix("/samples/").removesuffix(".png")
        if self.path == f"/samples/{epoch}.png" and epoch.isascii() and epoch.isdecimal():
            try:
                return "image/png", session.epoch_picture(int(epoch[:9])).read_bytes()
            except (ValueError, FileNotFoundError):
                raise RefusedError(404, f"no samples of epoch {epoch[:9]} are stored") from None
        raise RefusedError(404, "there is no such page")

    def answer_post(self) -> tuple[str, bytes]:
        """Everything that the model computes."""
        session: PlaySession = self.server.content
        asked = self.body()
        label = asked.get("label")
        if self.path == "/decode":
            columns = asked.get("columns")
            if columns is not None and (type(columns) is not int or not 1 <= columns <= MAX_CODES):
                raise ValueError(f"columns: expected a whole number from 1 to {MAX_CODES}, got {columns!r:.40}")
            return "image/png", png_bytes(session.decode(asked["z"], label), columns)
        if self.path == "/plane":
            side = asked.get("side", 11)
            images = session.plane(asked["z"], label, side)
            return "image/png", png_bytes(images, side)
        if self.path == "/nearest":
            return as_json(_with_pictures(session.nearest_training(asked["z"], label)))
        if self.path == "/reconstruct":
            found = session.reconstruct(asked["pixels"], label, bool(asked.get("center", True)))
            return as_json(_with_pictures(found | {"code": [float(x) for x in found["code"]]}))
        raise RefusedError(404, "there is no such page")


def _with_pictures(found: dict[str, Any]) -> dict[str, Any]:
    """`found`, with its images (C, H, W) as addresses that hold a PNG."""

    def shown(image: "NDArray[Any]") -> str:
        return data_url(png_bytes(image[None]))

    return {name: shown(value) if name in ("image", "input") else value for name, value in found.items()}
