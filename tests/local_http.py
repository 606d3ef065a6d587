"""Ask a server of `minigen.play` for something."""

import http.client
import json


def ask(server, path, content=None, raw=None, **headers):
    """The status, the headers and the body of an answer; with `content` (or the bytes `raw`) the request is a POST."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=60)
    body = raw if raw is not None else None if content is None else json.dumps(content).encode()
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    if body is not None:
        headers.setdefault("Content-Type", "application/json")
    connection.request("GET" if body is None else "POST", path, body, headers)
    answer = connection.getresponse()
    found = answer.status, answer.headers, answer.read()
    connection.close()
    return found
