"""Files inside a page."""

import base64

__all__ = ["data_url"]


def data_url(content: bytes, kind: str = "image/png") -> str:
    """The bytes of a file, by default a PNG, as an address that holds them.

    >>> data_url(b"PNG")
    'data:image/png;base64,UE5H'
    """
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
