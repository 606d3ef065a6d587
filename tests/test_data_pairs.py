"""Pairs of images: made from other sets, read from folders; and the order of partners without pairs."""

import numpy as np
import pytest
from PIL import Image

from minigen.data import Dataset, Loader, load


def grey(rng, path, width=8, height=8, mode="L"):
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (height, width) if mode == "L" else (height, width, 3)
    levels = rng.integers(0, 256, shape, np.uint8)
    Image.fromarray(levels).save(path)
    return levels


# ---- sets made here


def test_outline_is_the_drawing_without_its_inside():
    found, base = load("outline:digits", "test", size=16), load("digits", "test", size=16)
    assert np.array_equal(found.partners, base.images) and np.array_equal(found.labels, base.labels)
    ndimage = pytest.importorskip("scipy.ndimage")
    for image, drawing in zip(found.images[:20, 0], base.images[:20, 0] > 0):
        assert np.array_equal(image > 0, drawing & ~ndimage.binary_erosion(drawing))


def test_edges_are_the_same_for_all_colours_and_at_steps_only():
    from minigen.data import render_shapes
    from minigen.data.derived import edges

    found = edges("shapes", "test", size=24)
    factors = found.factors.copy()
    factors[:, 1] = (factors[:, 1] + 1) % 6
    other = render_shapes(factors, 24)
    assert not np.array_equal(other, found.partners)
    for image, shape in zip(found.images[:50, 0], other[:50]):
        y, x = np.indices(image.shape)
        expected = np.full(image.shape, -1.0)
        for i, j in zip(y.flat, x.flat):
            for a, b in ((i + 1, j), (i, j + 1)):
                if a < 24 and b < 24 and np.abs(shape[:, i, j] - shape[:, a, b]).max() > 0.5:
                    expected[i, j] = 1
        assert np.array_equal(image, expected)


def test_thick_is_dilated_and_inverted_and_train_has_no_pairs():
    ndimage = pytest.importorskip("scipy.ndimage")
    test, digits = load("thick:digits", "test"), load("digits", "test").images
    expected = -ndimage.grey_dilation(digits, size=(1, 1, 3, 3), mode="nearest")
    assert test.paired and np.array_equal(test.partners, expected) and np.array_equal(test.images, digits)
    train, whole = load("thick:digits"), load("digits").images
    assert not train.paired and np.array_equal(train.images, whole[::2])
    assert np.array_equal(train.partners, -ndimage.grey_dilation(whole[1::2], size=(1, 1, 3, 3), mode="nearest"))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("outline", "outline: the other data set is missing; write outline:SET"),
        ("pairs:", "pairs: the path is missing; write pairs:PATH"),
        ("thick:mnsit", "unknown data set 'mnsit'"),
        ("thick:ring8", "ring8: has points"),
        ("shapes:digits", "unknown data set 'shapes:digits'"),
    ],
)
def test_bad_names(name, words):
    with pytest.raises(ValueError, match=words):
        load(name)


# ---- folders


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def test_pairs_of_two_folders(tmp_path, rng):
    left = {name: grey(rng, tmp_path / "A" / name) for name in ("b.png", "a.png", "deep/c.png")}
    right = {name: grey(rng, tmp_path / "B" / name, mode="RGB") for name in ("deep/c.bmp", "a.bmp", "b.bmp")}
    found = load(f"pairs:{tmp_path}")
    assert found.paired and found.images.shape == (3, 1, 8, 8) and found.partners.shape == (3, 3, 8, 8)
    for i, name in enumerate(("a", "b", "deep/c")):
        assert np.allclose((found.images[i, 0] + 1) * 127.5, left[f"{name}.png"], atol=1e-3)
        assert np.allclose((found.partners[i] + 1) * 127.5, right[f"{name}.bmp"].transpose(2, 0, 1), atol=1e-3)
    with pytest.raises(FileNotFoundError, match="has no split test"):
        load(f"pairs:{tmp_path}", "test")


def test_pairs_side_by_side_and_splits(tmp_path, rng):
    both = grey(rng, tmp_path / "train" / "1.png", 20, 10)
    grey(rng, tmp_path / "test" / "9.png", 20, 10)
    found = load(f"pairs:{tmp_path}")
    assert np.allclose((found.images[0, 0] + 1) * 127.5, both[:, :10], atol=1e-3)
    assert np.allclose((found.partners[0, 0] + 1) * 127.5, both[:, 10:], atol=1e-3)
    assert load(f"pairs:{tmp_path}", "test", size=5).partners.shape == (1, 1, 5, 5)
    assert load(f"pairs:{tmp_path}", channels=3).images.shape == (1, 3, 10, 10)
    with pytest.raises(ValueError, match="channels must be 1 or 3, got 2"):
        load(f"pairs:{tmp_path}", channels=2)


def test_names_that_differ_are_listed_three_of_them(tmp_path, rng):
    grey(rng, tmp_path / "B" / "both.png")
    for name in ("both", "v", "w", "x", "y"):
        grey(rng, tmp_path / "A" / f"{name}.png")
    with pytest.raises(ValueError, match=r"alone: A/v\.png, A/w\.png, A/x\.png and 1 more"):
        load(f"pairs:{tmp_path}")


def test_sizes_that_differ_are_listed(tmp_path, rng):
    grey(rng, tmp_path / "A" / "1.png", 8, 6)
    grey(rng, tmp_path / "B" / "1.png", 9, 6)
    with pytest.raises(ValueError, match=r"not so: 1 8x6 and 9x6"):
        load(f"pairs:{tmp_path}", size=4)


def test_an_empty_side_and_an_odd_width(tmp_path, rng):
    grey(rng, tmp_path / "A" / "1.png")
    for kind in ("pairs", "unpaired"):
        with pytest.raises(FileNotFoundError, match="B has no image; A and B must both have some"):
            load(f"{kind}:{tmp_path}")
    grey(rng, tmp_path / "odd" / "wide.png", 9)
    with pytest.raises(ValueError, match=r"even width; wide\.png"):
        load(f"pairs:{tmp_path / 'odd'}")
    with pytest.raises(FileNotFoundError, match="has no folders A and B"):
        load(f"unpaired:{tmp_path / 'odd'}")
    with pytest.raises(FileNotFoundError, match="nowhere is not there"):
        load(f"pairs:{tmp_path / 'nowhere'}")


def test_images_of_several_sizes_need_a_size(tmp_path, rng):
    for name, width in (("1", 8), ("2", 9)):
        for side in "AB":
            grey(rng, tmp_path / side / f"{name}.png", width)
    with pytest.raises(ValueError, match="pairs: size must be given"):
        load(f"pairs:{tmp_path}")
    assert load(f"pairs:{tmp_path}", size=8).images.shape == (2, 1, 8, 8)


@pytest.mark.parametrize("folders", [("A", "B"), ("trainA", "trainB"), ("train/A", "train/B")])
def test_unpaired_collections(tmp_path, rng, folders):
    for folder, count in zip(folders, (2, 3)):
        for i in range(count):
            grey(rng, tmp_path / folder / f"{folder[-1]}{i}.png")
    found = load(f"unpaired:{tmp_path}")
    assert not found.paired and len(found) == 2 and len(found.partners) == 3
    assert repr(found).endswith("2 of shape (1, 8, 8), 3 unpaired partners of shape (1, 8, 8))")


def test_the_two_collections_need_one_size(tmp_path, rng):
    grey(rng, tmp_path / "A" / "1.png", 8, 6)
    grey(rng, tmp_path / "B" / "2.png", 9, 6)
    with pytest.raises(ValueError, match="A are 8x6 pixels and those of B 9x6"):
        load(f"unpaired:{tmp_path}")


# ---- batches


def numbered(images, partners, paired):
    rows = [np.arange(n, dtype=np.float32).reshape(n, 1, 1, 1) / 100 for n in (images, partners)]
    return Dataset("numbered", rows[0], partners=rows[1], paired=paired)


@pytest.mark.parametrize(("images", "partners"), [(10, 4), (10, 10), (10, 25)])
def test_unpaired_partners_have_an_order_of_their_own(images, partners):
    loader = Loader(numbered(images, partners, False), 4, seed=7)
    epochs = [list(loader.epoch(epoch)) for epoch in range(2)]
    seen = [np.concatenate([batch["partners"] for batch in epoch]).ravel() for epoch in epochs]
    order = [np.concatenate([batch["images"] for batch in epoch]).ravel() for epoch in epochs]
    assert len(seen[0]) == images and not np.array_equal(seen[0], seen[1])
    assert not np.array_equal(seen[0], order[0])
    counts = np.unique(np.rint(seen[0] * 100).astype(int), return_counts=True)[1]
    assert counts.max() - counts.min() <= 1 and len(counts) == min(images, partners)
    again = list(Loader(numbered(images, partners, False), 4, seed=7).epoch(1, start_batch=1))
    for batch, expected in zip(again, epochs[1][1:], strict=True):
        assert all(np.array_equal(batch[field], expected[field]) for field in ("images", "partners"))
    other = next(Loader(numbered(images, partners, False), images, seed=8).epoch(0))["partners"].ravel()
    assert not np.array_equal(other, seen[0])


def test_paired_partners_stay_with_their_images():
    batch = next(Loader(numbered(10, 10, True), 10, seed=7).epoch(0))
    assert np.array_equal(batch["images"], batch["partners"])
    with pytest.raises(ValueError, match="partners must have 10 rows"):
        numbered(10, 9, True)


def test_subsets_and_batches_of_unpaired_sets():
    data = numbered(10, 4, False)
    assert len(data.subset([1, 2])) == 2 and len(data.subset([1, 2]).partners) == 4
    assert list(data.batch([0])) == ["images"] and data.batch([0, 1], [3])["partners"].shape == (1, 1, 1, 1)
    assert np.array_equal(Loader(data, 10, shuffle=False).partner_order(0), [0, 1, 2, 3, 0, 1, 2, 3, 0, 1])
