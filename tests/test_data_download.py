"""Downloads, against a server on this machine that misbehaves on request."""

import errno
import gzip
import hashlib
import io
import socket
import struct
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

import minigen.data as data
from minigen.data import official
from minigen.data.download import Source

RNG = np.random.default_rng(7)
IMAGES = RNG.integers(0, 256, (5, 28, 28), dtype=np.uint8)
LABELS = np.array([3, 1, 4, 1, 5], np.uint8)


def idx(array):
    return gzip.compress(struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes())


FILES = {"train-images-idx3-ubyte.gz": idx(IMAGES), "train-labels-idx1-ubyte.gz": idx(LABELS)}


def digest(raw):
    return hashlib.sha256(raw).hexdigest()


@pytest.fixture
def server(monkeypatch):
    """Serve ``server.replies[path] = (status, body, announced length)`` on 127.0.0.1; paths asked for are recorded."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.asked.append(self.path)
            status, body, length = self.server.replies.get(self.path, (404, b"not here", 8))
            self.send_response(status)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        httpd.replies, httpd.asked = {}, []
        httpd.url = f"http://127.0.0.1:{httpd.server_address[1]}"
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield httpd
        httpd.shutdown()
        thread.join()


def serve(server, folder):
    for file, body in FILES.items():
        server.replies[f"/{folder}/{file}"] = (200, body, len(body))


def use(monkeypatch, *mirrors, name="mnist", files=FILES):
    source = Source(mirrors, {file: digest(body) for file, body in files.items()})
    monkeypatch.setitem(official.SOURCES, name, source)


def everything_under(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def load_error(root, name="mnist", error=OSError):
    with pytest.raises(error) as caught:
        data.load(name, root=root)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_downloads_once_and_then_works_without_a_network(server, monkeypatch, tmp_path):
    serve(server, "good")
    use(monkeypatch, f"{server.url}/good/")
    for _ in range(2):
        loaded = data.load("mnist", root=tmp_path)
        np.testing.assert_allclose(loaded.images, IMAGES[:, None] / 127.5 - 1, atol=1e-6)
        assert loaded.labels.tolist() == LABELS.tolist()
    assert len(server.asked) == 2
    assert everything_under(tmp_path) == sorted(f"mnist/{file}" for file in FILES)


def test_second_mirror_is_used_when_the_first_has_nothing(server, monkeypatch, tmp_path):
    serve(server, "good")
    use(monkeypatch, f"{server.url}/missing/", f"{server.url}/good/")
    assert len(data.load("mnist", root=tmp_path)) == 5
    assert [path.split("/")[1] for path in server.asked] == ["missing", "good"] * 2


@pytest.mark.parametrize("what", ["short", "announced but cut", "other bytes"])
def test_bad_download_is_named_removed_and_the_next_mirror_tried(server, monkeypatch, tmp_path, what):
    file, body = next(iter(FILES.items()))
    bad = {"short": body[:100], "announced but cut": body[:100], "other bytes": body[:-1] + b"?"}[what]
    server.replies[f"/bad/{file}"] = (200, bad, len(body) if what == "announced but cut" else len(bad))
    use(monkeypatch, f"{server.url}/bad/")
    message = load_error(tmp_path)
    target = tmp_path / "mnist" / file
    assert str(target) in message and digest(body) in message
    if what != "announced but cut":  # there the connection broke before there was a file to hash
        assert digest(bad) in message
    assert everything_under(tmp_path) == []
    serve(server, "good")
    use(monkeypatch, f"{server.url}/bad/", f"{server.url}/good/")
    assert len(data.load("mnist", root=tmp_path)) == 5
    assert target.read_bytes() == body


def test_offline_says_which_file_goes_where(server, monkeypatch, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    use(monkeypatch, f"http://127.0.0.1:{port}/")
    message = load_error(tmp_path)
    file, body = next(iter(FILES.items()))
    assert f"http://127.0.0.1:{port}/{file}: ConnectionError" in message
    assert f"copy {file} into {tmp_path / 'mnist'}" in message
    assert digest(body) in message and "mnist5k" in message
    assert everything_under(tmp_path) == []
    # Doing what it says helps.
    for file, body in FILES.items():
        (tmp_path / "mnist" / file).write_bytes(body)
    assert len(data.load("mnist", root=tmp_path)) == 5


def test_status_of_a_refusing_mirror_is_told(server, monkeypatch, tmp_path):
    use(monkeypatch, f"{server.url}/missing/")
    assert "HTTP status 404" in load_error(tmp_path)


def test_damaged_file_in_the_cache_is_replaced_or_named(server, monkeypatch, tmp_path):
    file, body = next(iter(FILES.items()))
    target = tmp_path / "mnist" / file
    target.parent.mkdir()
    target.write_bytes(body[:50])
    use(monkeypatch, f"{server.url}/missing/")
    message = load_error(tmp_path)
    assert f"the file there has 50 bytes and SHA-256 {digest(body[:50])}" in message and str(target) in message
    serve(server, "good")
    use(monkeypatch, f"{server.url}/good/")
    assert len(data.load("mnist", root=tmp_path)) == 5
    assert target.read_bytes() == body


def test_full_disk_names_the_path_and_leaves_nothing(server, monkeypatch, tmp_path):
    import pooch

    def full(self, url, output_file, pooch, check_only=False):
        Path(output_file).write_bytes(b"some")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pooch.HTTPDownloader, "__call__", full)
    use(monkeypatch, f"{server.url}/good/")
    message = load_error(tmp_path)
    assert "No space left on device" in message and str(tmp_path / "mnist" / next(iter(FILES))) in message
    assert everything_under(tmp_path) == []


def test_interrupted_download_leaves_nothing(server, monkeypatch, tmp_path):
    import pooch

    def interrupted(self, url, output_file, pooch, check_only=False):
        Path(output_file).write_bytes(b"some")
        raise KeyboardInterrupt

    monkeypatch.setattr(pooch.HTTPDownloader, "__call__", interrupted)
    use(monkeypatch, f"{server.url}/good/")
    with pytest.raises(KeyboardInterrupt):
        data.load("mnist", root=tmp_path)
    assert everything_under(tmp_path) == []


def test_cache_that_is_a_file_is_named(server, monkeypatch, tmp_path):
    use(monkeypatch, f"{server.url}/good/")
    root = tmp_path / "occupied"
    root.write_text("a file where the folder should be")
    assert str(root / "mnist") in load_error(root)


def test_environment_variable_chooses_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("MINIGEN_DATA", str(tmp_path))
    assert data.cache_folder() == tmp_path
    assert data.cache_folder("other").name == "other"
    monkeypatch.delenv("MINIGEN_DATA")
    assert "minigen" in str(data.cache_folder())


def test_cifar10_reads_labels_and_planes(monkeypatch, tmp_path):
    pixels = RNG.integers(0, 256, (12, 3, 32, 32), dtype=np.uint8)
    labels = np.arange(12, dtype=np.uint8) % 10
    rows = np.concatenate([labels[:, None], pixels.reshape(12, -1)], axis=1)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        # Out of order, and with a file that is no batch, as the real archive has.
        for base, part in (
            ("data_batch_2", rows[4:8]),
            ("batches.meta", None),
            ("data_batch_1", rows[:4]),
            ("test_batch", rows[8:]),
        ):
            raw = b"airplane\n" if part is None else part.tobytes()
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{base}.{'txt' if part is None else 'bin'}")
            member.size = len(raw)
            archive.addfile(member, io.BytesIO(raw))
    files = {"cifar-10-binary.tar.gz": buffer.getvalue()}
    use(monkeypatch, "http://127.0.0.1:9/", name="cifar10", files=files)
    (tmp_path / "cifar10").mkdir()
    (tmp_path / "cifar10" / "cifar-10-binary.tar.gz").write_bytes(buffer.getvalue())
    for split, part in (("train", slice(0, 8)), ("test", slice(8, 12))):
        loaded = data.load("cifar10", split, root=tmp_path)
        np.testing.assert_allclose(loaded.images, pixels[part] / 127.5 - 1, atol=1e-6)
        assert loaded.labels.tolist() == labels[part].tolist()
    assert data.load("cifar10", "test", size=16, root=tmp_path).shape == (3, 16, 16)


def test_fashion_and_stacked_mnist_read_their_own_files(monkeypatch, tmp_path):
    every = np.arange(10, dtype=np.uint8)
    files = {
        "train-images-idx3-ubyte.gz": idx(RNG.integers(0, 256, (10, 28, 28), dtype=np.uint8)),
        "train-labels-idx1-ubyte.gz": idx(every),
    }
    for name in ("fashion", "mnist"):
        use(monkeypatch, "http://127.0.0.1:9/", name=name, files=files)
        (tmp_path / name).mkdir()
        for file, body in files.items():
            (tmp_path / name / file).write_bytes(body)
    assert data.load("fashion", root=tmp_path).classes[:2] == ("T-shirt/top", "Trouser")
    stacked = data.load("stacked_mnist", base="mnist", root=tmp_path, count=20, size=32)
    digits = data.load("mnist", root=tmp_path, size=32)
    for image, factors in zip(stacked.images, stacked.factors):
        np.testing.assert_array_equal(image, digits.images[factors, 0])


def test_known_files_have_whole_sha256_and_several_mirrors():
    for name, source in official.SOURCES.items():
        assert len(source.mirrors) >= 2, name
        assert all(mirror.endswith("/") for mirror in source.mirrors)
        for value in source.files.values():
            assert len(value) == 64 and int(value, 16)
    values = [value for source in official.SOURCES.values() for value in source.files.values()]
    assert len(set(values)) == len(values) == 9
