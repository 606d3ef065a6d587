"""Pictures: what is in them, that files are written whole, that nothing global changes."""

import io
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import minigen as mg
from minigen import plot
from minigen.plot.graph import _layout, _nodes

# ---- image grids, without matplotlib


def test_image_grid_puts_each_image_in_reading_order():
    images = np.stack([np.full((1, 2, 3), i, np.uint8) for i in (10, 20, 30)])
    grid = plot.image_grid(images, ncols=2, padding=1)
    assert grid.dtype == np.uint8 and grid.shape == (7, 9)
    assert (grid[1:3, 1:4] == 10).all() and (grid[1:3, 5:8] == 20).all() and (grid[4:6, 1:4] == 30).all()
    assert (grid[4:6, 5:8] == 255).all() and (grid[0] == 255).all() and (grid[:, 4] == 255).all()


def test_image_grid_maps_the_range_to_black_and_white_and_clips():
    row = np.array([[[[-5.0, -1.0, 0.0, 1.0, 5.0, np.nan, np.inf]]]], np.float32)
    assert plot.image_grid(row, padding=0).tolist() == [[0, 0, 128, 255, 255, 0, 255]]
    assert plot.image_grid(np.array([[[0.0, 2.0]]]), padding=0, value_range=(0, 2)).tolist() == [[0, 255]]


def test_image_grid_keeps_the_colours_in_place():
    image = np.zeros((1, 3, 2, 2), np.uint8)
    image[0, 2, 0, 1] = 7
    grid = plot.image_grid(image, padding=0, scale=2)
    assert grid.shape == (4, 4, 3) and (grid[:2, 2:] == [0, 0, 7]).all() and grid.sum() == 4 * 7


@given(st.integers(1, 12), st.integers(1, 4), st.integers(0, 3), st.integers(1, 3), st.integers(1, 15))
def test_image_grid_is_as_large_as_rows_and_columns_ask(count, side, padding, scale, ncols):
    grid = plot.image_grid(np.zeros((count, side, side + 1)), ncols, padding, scale=scale)
    columns = min(ncols, count)
    rows = -(-count // columns)
    assert grid.shape == (rows * (side * scale + padding) + padding, columns * ((side + 1) * scale + padding) + padding)


@pytest.mark.parametrize(
    ("images", "options", "message"),
    [
        (np.zeros((2, 2, 4, 4)), {}, r"got shape \(2, 2, 4, 4\)"),
        (np.zeros((4, 4)), {}, r"got shape \(4, 4\)"),
        (np.zeros((0, 1, 4, 4)), {}, "none empty"),
        (np.zeros((1, 4, 4)), {"ncols": 0}, "ncols of at least 1, got 0"),
        (np.zeros((1, 4, 4)), {"value_range": (1, 1)}, r"low < high, got \(1, 1\)"),
    ],
)
def test_image_grid_says_what_is_wrong(images, options, message):
    with pytest.raises(ValueError, match=message):
        plot.image_grid(images, **options)


def test_save_image_grid_stores_every_pixel(tmp_path):
    images = np.random.default_rng(0).uniform(-1, 1, (5, 3, 4, 4))
    plot.save_image_grid(tmp_path / "grid.PNG", images, ncols=3)
    with Image.open(tmp_path / "grid.PNG") as saved:
        np.testing.assert_array_equal(np.asarray(saved), plot.image_grid(images, 3))
    assert [f.name for f in tmp_path.iterdir()] == ["grid.PNG"]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "grid.png"
    plot.save_image_grid(path, np.zeros((1, 2, 2)))
    before = path.read_bytes()

    def full(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OSError, match="No space"):
        plot.save_image_grid(path, np.ones((1, 2, 2)))
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_save_image_grid_names_an_unknown_suffix_and_a_missing_folder(tmp_path):
    with pytest.raises(ValueError, match=r"grid\.xyz: expected a suffix like \.png, got \.xyz"):
        plot.save_image_grid(tmp_path / "grid.xyz", np.zeros((1, 2, 2)))
    with pytest.raises(FileNotFoundError):
        plot.save_image_grid(tmp_path / "none" / "grid.png", np.zeros((1, 2, 2)))


# ---- tables of images, without matplotlib


def test_a_table_shows_every_image_in_its_place_enlarged_by_whole_pixels():
    images = np.random.default_rng(0).choice([-1.0, 1.0], (2, 3, 1, 4, 4))
    pixels = np.asarray(plot.ImageTable(images).draw(scale=3))
    left = top = 8 + 2  # margin and the grid's own line
    for i, j in np.ndindex(2, 3):
        place = pixels[top + 14 * i : top + 14 * i + 12, left + 14 * j : left + 14 * j + 12]
        assert place.shape == (12, 12, 3)
        expected = np.where(images[i, j, 0] > 0, 255, 0).repeat(3, 0).repeat(3, 1)
        np.testing.assert_array_equal(place, np.stack([expected] * 3, 2))


@given(st.integers(1, 30), st.integers(4, 80))
def test_a_table_is_at_least_600_pixels_wide_and_pixels_stay_square(columns, side):
    table = plot.ImageTable(-np.ones((1, columns, 1, side, side)))
    pixels = np.asarray(table.draw().convert("L"))
    dark = np.argwhere(pixels == 0)
    assert pixels.shape[1] >= min(600, 32 * side) and pixels.shape[1] < 2 * 600 + columns * (side + 2)
    assert np.ptp(dark[:, 0]) + 1 == (np.ptp(dark[:, 1]) + 1 - 2 * (columns - 1)) // columns


def test_labels_and_caption_stand_beside_the_images_and_never_on_them():
    images = -np.ones((2, 2, 3, 8, 8))
    bare, captioned = plot.ImageTable(images).draw(4), plot.ImageTable(images, "words " * 60).draw(4)
    full = plot.ImageTable(images, "words", ["first", "a much longer label"], ["1", "2"], "A title").draw(4)
    assert captioned.height > bare.height + 3 * 17 and full.width > bare.width
    assert all((np.asarray(p) == 0).all(2).sum() >= 4 * 32 * 32 for p in (bare, captioned, full))
    box = np.argwhere((np.asarray(captioned) < 255).any(2))
    assert box[:, 1].max() < captioned.width - 4  # the caption is wrapped


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"images": np.zeros((2, 1, 8, 8))}, r"expected images \(rows, columns, C, H, W\), none empty, got shape"),
        ({"images": np.zeros((2, 2, 2, 8, 8))}, r"got shape \(2, 2, 2, 8, 8\)"),
        ({"images": np.zeros((2, 0, 1, 8, 8))}, "none empty"),
        ({"images": np.zeros((2, 3, 1, 8, 8)), "rows": ["a"]}, "expected 2 labels for the rows, or none, got 1"),
        ({"images": np.zeros((2, 3, 1, 8, 8)), "columns": ["a"]}, "expected 3 labels for the columns, or none, got 1"),
    ],
)
def test_a_table_says_what_is_wrong(arguments, message):
    with pytest.raises(ValueError, match=message):
        plot.ImageTable(**arguments)


def test_a_table_displays_and_saves_itself(tmp_path):
    table = plot.ImageTable(np.zeros((1, 2, 1, 8, 8)), "Grey.")
    assert table._repr_png_().startswith(b"\x89PNG")
    table.save(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as saved:
        np.testing.assert_array_equal(np.asarray(saved), np.asarray(table.draw()))


# ---- nothing global


def _run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)


def test_importing_plot_and_saving_images_loads_no_matplotlib(tmp_path):
    result = _run(
        "import sys, numpy as np; from minigen import plot\n"
        f"plot.save_image_grid({str(tmp_path / 'a.png')!r}, np.zeros((1, 2, 2)))\n"
        "assert 'matplotlib' not in sys.modules"
    )
    assert result.returncode == 0, result.stderr


def test_drawing_neither_loads_pyplot_nor_changes_settings():
    pytest.importorskip("matplotlib")
    result = _run(
        "import sys, matplotlib; from minigen import plot\n"
        # Reading the backend would choose one.
        "settings = lambda: {k: matplotlib.rcParams[k] for k in matplotlib.rcParams if k != 'backend'}\n"
        "before = settings()\n"
        "plot.loss_curves({'loss': [2.0, 1.0]})._repr_png_()\n"
        "assert settings() == before and 'matplotlib.pyplot' not in sys.modules"
    )
    assert result.returncode == 0, result.stderr


def test_without_matplotlib_the_error_names_the_extra():
    result = _run(
        "import sys; sys.modules['matplotlib'] = None\n"
        "from importlib import util; real = util.find_spec\n"
        "util.find_spec = lambda name, *a: None if name in ('matplotlib', 'cycler') else real(name, *a)\n"
        "from minigen import plot\n"
        "try: plot.loss_curves({'loss': [1.0]})\n"
        "except ModuleNotFoundError as error: print(error)"
    )
    assert "pip install" in result.stdout and "minigen-lab[" in result.stdout, result.stderr


# ---- figures


@pytest.fixture
def matplotlib():
    return pytest.importorskip("matplotlib", reason="needs matplotlib, of the extra 'data'")


@pytest.mark.usefixtures("matplotlib")
def test_show_images_has_a_title_for_each_and_removes_empty_places():
    picture = plot.show_images(np.zeros((3, 1, 4, 4)), ["a", "b", "c"], ncols=2, caption="Zeros.")
    assert [axes.get_title() for axes in picture.axes] == ["a", "b", "c"]
    assert picture.get_supxlabel() == "Zeros."
    with pytest.raises(ValueError, match="expected 3 titles, one per image, got 1"):
        plot.show_images(np.zeros((3, 1, 4, 4)), ["a"])


@pytest.mark.usefixtures("matplotlib")
def test_loss_curves_draws_the_numbers_of_a_csv_file(tmp_path):
    log = tmp_path / "log.csv"
    log.write_text("epoch,step,loss_d,loss_g,note\n1,10,0.5,1.5,a\n1,20,0.25,,b\n", encoding="utf-8")
    picture = plot.loss_curves(log, tmp_path / "loss.png")
    (axes,) = picture.axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("step", "loss")
    assert [line.get_label() for line in axes.lines] == ["loss_d", "loss_g"]
    np.testing.assert_array_equal(axes.lines[0].get_xydata(), [[10, 0.5], [20, 0.25]])
    np.testing.assert_array_equal(axes.lines[1].get_ydata(), [1.5, np.nan])
    assert len({line.get_color() for line in axes.lines}) == 2 == len({line.get_linestyle() for line in axes.lines})
    with Image.open(tmp_path / "loss.png") as saved:
        assert saved.format == "PNG" and saved.width == 800


@pytest.mark.usefixtures("matplotlib")
def test_long_curves_get_their_running_mean():
    values = np.random.default_rng(0).normal(size=500)
    (axes,) = plot.loss_curves({"loss": values}).axes
    raw, mean = axes.lines
    assert raw.get_color() == mean.get_color() and raw.get_alpha() < 0.5
    expected = [values[i - 5 : i + 6].mean() for i in range(5, 495)]  # each beside the values that it is the mean of
    np.testing.assert_allclose(mean.get_xydata(), np.column_stack([np.arange(6, 496), expected]), atol=1e-12)


LOG = {
    "step": range(1, 201),
    "epoch": [1] * 200,
    "seconds": range(200),
    "loss_d": [900.0, 80.0] + [1.2] * 198,
    "loss_g": [0.7 + 0.01 * (i % 7) for i in range(200)],
    "distance": [0.1] * 200,
    "d_real": [0.6] * 200,
    "d_fake": [0.4] * 200,
}


@pytest.mark.usefixtures("matplotlib")
def test_training_curves_draw_every_number_with_its_level_and_leave_the_start_off_the_axis(tmp_path):
    levels = {"loss_d": 1.386, "loss_g": 0.693, "d_real": 0.5, "d_fake": 0.5}
    picture = plot.training_curves(LOG, tmp_path / "a.png", levels, "run a")
    assert [axes.get_ylabel() for axes in picture.axes] == ["loss", "distance", "d_real, d_fake"]
    assert picture.get_suptitle() == "run a" and (tmp_path / "a.png").is_file()
    loss, distance, outputs = picture.axes
    assert [text.get_text() for text in loss.texts] == ["undecided loss_d 1.39", "undecided loss_g 0.693"]
    assert [text.get_text() for text in outputs.texts] == ["undecided 0.5"] and not distance.texts
    low, high = loss.get_ylim()
    assert 0.5 < low < 0.693 and 1.386 < high < 1.6
    assert max(loss.lines[0].get_ydata()) == 900  # drawn, above the axis


@pytest.mark.usefixtures("matplotlib")
def test_training_curves_say_what_is_wrong(tmp_path):
    with pytest.raises(ValueError, match=r"columns of one length, not empty, got \{'step': 0\}"):
        plot.training_curves({"step": []})
    (tmp_path / "log.csv").write_bytes("step,loss\n1,½\n".encode("utf-16"))
    with pytest.raises(ValueError, match=r"log\.csv: expected a CSV file in UTF-8"):
        plot.training_curves(tmp_path / "log.csv")


@pytest.mark.usefixtures("matplotlib")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("step,value\n1,2\n", r"no column with 'loss' in its name among \['step', 'value'\]"),
        ("step,loss\n1\n", "a row has fewer cells than the header's 2"),
        ("step,loss\n", r"not empty, got \{'loss': 0, 'step': 0\}"),
    ],
)
def test_loss_curves_says_what_is_wrong_with_a_file(tmp_path, text, message):
    (tmp_path / "log.csv").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        plot.loss_curves(tmp_path / "log.csv")


@pytest.mark.usefixtures("matplotlib")
def test_loss_curves_names_missing_columns_and_unequal_lengths():
    with pytest.raises(ValueError, match="no column 'fid' among"):
        plot.loss_curves({"loss": [1.0]}, columns=["fid"])
    with pytest.raises(ValueError, match=r"one length, not empty, got \{'loss': 1, 'step': 2\}"):
        plot.loss_curves({"loss": [1.0], "step": [1, 2]})


@pytest.mark.usefixtures("matplotlib")
def test_save_figure_knows_its_suffixes(tmp_path):
    picture, _ = plot.figure()
    with pytest.raises(ValueError, match=r"a\.xyz: expected a suffix of .*png.*, got xyz"):
        plot.save_figure(picture, tmp_path / "a.xyz")
    plot.save_figure(picture, tmp_path / "a.svg")
    assert "<svg" in (tmp_path / "a.svg").read_text(encoding="utf-8")


@pytest.mark.usefixtures("matplotlib")
def test_a_caption_is_wrapped_into_the_width_of_the_figure():
    picture, _ = plot.figure(size=(5, 3), caption="words " * 60)
    picture._repr_png_()
    box = picture._supxlabel.get_window_extent()
    assert box.x0 >= 0 and box.x1 <= picture.bbox.width


# ---- the computation graph


def _texts(picture):
    return [text.get_text() for text in picture.axes[0].texts]


@pytest.mark.usefixtures("matplotlib")
def test_graph_shows_each_tensor_and_operation_once():
    x, w = mg.tensor(2.0, requires_grad=True), mg.tensor(3.0)
    p = x * w
    L = p**2 - p
    L.backward(retain_graph=True)
    texts = _texts(plot.graph(L, {"x": x, "p": p, "L": L}))
    assert sorted(texts) == sorted(
        ["x\n2\ngrad 33", "3", "× mul", "p\n6", "pow 2", "36", "− sub", "L\n30", "input", "other"]
    )


@pytest.mark.usefixtures("matplotlib")
def test_graph_draws_an_arrow_for_every_use():
    from matplotlib.patches import FancyArrowPatch

    x = mg.tensor([1.0, 2.0], requires_grad=True)
    picture = plot.graph((x * x + x).sum())
    assert sum(isinstance(p, FancyArrowPatch) for p in picture.axes[0].patches) == 8  # 5 to operations, 3 from them
    assert "[1, 2]" in _texts(picture)


@pytest.mark.usefixtures("matplotlib")
def test_graph_says_that_it_was_freed_and_that_it_is_too_large():
    x = mg.tensor(1.0, requires_grad=True)
    y = x * 2
    y.backward()
    assert "× mul (graph freed)" in _texts(plot.graph(y))
    t = x
    for _ in range(30):
        t = t + t
    with pytest.raises(ValueError, match="more than 20 Tensors"):
        plot.graph(t, limit=20)
    with pytest.raises(TypeError, match="expected a Tensor or a sequence of them, got float"):
        plot.graph([1.0])


@pytest.mark.usefixtures("matplotlib")
def test_a_detached_tensor_is_drawn_as_a_constant_without_arrows():
    x = mg.tensor(3.0, requires_grad=True)
    picture = plot.graph(x * x.detach(), {"x": x})
    legend = [text.get_text() for text in picture.axes[0].get_legend().get_texts()]
    assert legend == ["leaf, requires grad", "constant", "computed", "operation"]
    assert sorted(_texts(picture)) == ["3", "9", "x\n3", "× mul"]


@st.composite
def expressions(draw):
    """The outputs of a few operations, each on any two of the Tensors before it."""
    tensors = [mg.tensor(float(i + 1), requires_grad=True) for i in range(draw(st.integers(1, 3)))]
    for _ in range(draw(st.integers(0, 9))):
        one, other = (draw(st.sampled_from(tensors)) for _ in range(2))
        tensors.append(draw(st.sampled_from([mg.Tensor.__add__, mg.Tensor.__sub__]))(one, other))
    return tensors[-draw(st.integers(1, len(tensors))) :]


@pytest.mark.usefixtures("matplotlib")
@given(expressions())
def test_boxes_are_below_their_inputs_and_never_on_each_other_and_no_arrow_runs_through_one(outputs):
    nodes = _nodes(outputs, None, 100)
    places, (width, height) = _layout(nodes)
    spans = {}
    for node, place in zip(nodes, places):
        spans.setdefault(place.y, []).append((place.x - place.width / 2, place.x + place.width / 2))
        assert -width / 2 - 1e-9 <= place.x - place.width / 2 and -height - 1e-9 <= place.y - place.height / 2
        for source, _ in node.inputs:
            assert places[source].y - places[source].height / 2 > place.y + place.height / 2
            assert {y for _, y in place.bends[source]} == {
                other.y for other in places if place.y < other.y < places[source].y
            }
            for x, y in place.bends[source]:
                spans.setdefault(y, []).append((x, x))
    for row in spans.values():
        ordered = sorted(row)
        assert all(a[1] + 0.29 < b[0] for a, b in zip(ordered, ordered[1:]))


def test_mermaid_and_dot_name_every_node_and_arrow_once_and_quote_what_they_must():
    x = mg.tensor(2.0, requires_grad=True)
    y = x / (x * x)
    for text, arrow in ((plot.to_mermaid(y, {'a "<b>"': x}), "-->"), (plot.to_dot(y, {'a "<b>"': x}), "->")):
        lines = [line.strip() for line in text.splitlines()]
        assert sum(arrow in line for line in lines) == 6
        assert [sum(line.startswith(f"n{i}") and arrow not in line for line in lines) for i in range(5)] == [1] * 5
        assert any("other" in line for line in lines) and "÷ div" in text
    assert "a #quot;#lt;b>#quot;<br>2" in plot.to_mermaid(y, {'a "<b>"': x})
    assert 'label="a \\"<b>\\"\\n2"' in plot.to_dot(y, {'a "<b>"': x})


# ---- a training in a notebook


class Handle:
    """Stands for the display of a notebook, as IPython gives it."""

    def __init__(self):
        self.shown, self.updates = [], []

    def display(self, picture, display_id):
        assert display_id is True
        self.shown.append(picture)
        return self

    def update(self, picture):
        self.updates.append(picture)


def test_live_updates_one_picture(monkeypatch, tmp_path, reference_kernels):
    display = pytest.importorskip("IPython.display")
    handle = Handle()
    monkeypatch.setattr(display, "display", handle.display)
    data = mg.data.load("shapes", size=8, count=48)
    model, loader = mg.models.build("dcgan", size=8, channels=3, width=2), mg.data.Loader(data, batch_size=16)
    run, reports = mg.train.Run.create(tmp_path / "run", {}), []
    live = mg.plot.Live(ncols=4)

    def on_epoch(report):
        reports.append(report)
        live(report)

    mg.train.fit(model, loader, run, 3, progress=False, on_epoch=on_epoch)
    assert (len(handle.shown), len(handle.updates)) == (1, 2)
    last = live.draw(reports[-1])
    assert handle.updates[-1].data == last._repr_png_()
    curves, samples = last.axes
    lines = {line.get_label(): line for line in curves.lines}
    assert set(lines) == {"loss_d", "loss_g"}
    log = np.genfromtxt(run.log, delimiter=",", names=True)
    for name, line in lines.items():
        assert line.get_xdata().tolist() == [3, 6, 9]
        expected = [log[name][log["epoch"] == epoch].mean() for epoch in (1, 2, 3)]
        assert line.get_ydata() == pytest.approx(expected, rel=1e-5)
    assert (samples.images[0].get_array() == mg.plot.image_grid(reports[-1].images, 4)).all()
    assert last._repr_png_().startswith(b"\x89PNG")


def test_live_says_what_is_not_logged(monkeypatch):
    pytest.importorskip("IPython.display")
    report = SimpleNamespace(epoch=1, step=5, means={"psnr": 20.0}, images=np.zeros((1, 1, 4, 4)))
    with pytest.raises(ValueError, match="Live: the training logs no number with 'loss' in its name; it logs psnr"):
        mg.plot.Live()(report)
    with pytest.raises(ValueError, match="no number 'kl'; it logs psnr"):
        mg.plot.Live(columns=["kl"])(report)


@pytest.mark.lesson
def test_a_stored_notebook_holds_the_last_picture_only():
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    code = (
        "import numpy as np, minigen as mg\nfrom types import SimpleNamespace\nlive = mg.plot.Live()\n"
        "for i in range(3):\n"
        "    live(SimpleNamespace(epoch=i, step=i, means={'loss': i}, images=np.full((1, 1, 4, 4), i / 2)))\n"
        "live.draw(SimpleNamespace(epoch=2, step=2, means={}, images=np.full((1, 1, 4, 4), 1)))"
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    nbclient.NotebookClient(notebook, timeout=120).execute()
    displayed, drawn = notebook.cells[0].outputs
    assert displayed["output_type"] == "display_data"
    assert displayed["data"]["image/png"] == drawn["data"]["image/png"]


def test_no_legend_looks_for_its_place(monkeypatch):
    """Matplotlib's search takes seconds on the log of a long run, and then warns."""

    def search(*args, **kwargs):
        raise AssertionError("the best place is looked for")

    monkeypatch.setattr("matplotlib.legend.Legend._find_best_position", search)
    plot.loss_curves({"step": [1, 2, 3], "loss": [3.0, 2.0, 1.0]}).savefig(io.BytesIO())
