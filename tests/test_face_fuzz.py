"""The whole public face against PyTorch: a short run always, a long one behind the marker ``fuzz``."""

import pytest

pytestmark = pytest.mark.torch
pytest.importorskip("torch", reason="PyTorch comes with the bench extra")

face_fuzz = pytest.importorskip("face_fuzz")


def test_random_calls_agree_with_pytorch():
    _, faults, agreed = face_fuzz.run(seed=0, calls=4 * len(face_fuzz.operations()))
    assert not faults, "\n".join(faults[:5])
    assert not [name for name in face_fuzz.operations() if not agreed[name]], "never compared"


@pytest.mark.fuzz
def test_many_random_calls_agree_with_pytorch():
    counts, faults, _ = face_fuzz.run(seed=1, calls=30_000)
    print(dict(counts))
    assert not faults, f"{len(faults)} of {sum(counts.values())}\n" + "\n".join(faults[:20])
