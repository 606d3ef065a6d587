"""The stand-in for CuPy refuses what CuPy refuses; and on it, with emulated kernels, the engine does what it does on
the CPU, without once waiting for the GPU."""

import ast
import inspect
from pathlib import Path

import cupy_double as double
import numpy as np
import pytest

import minigen as mg
from minigen import kernels
from minigen.kernels import emulator

pytestmark = pytest.mark.cupy
xp = double.xp

needs_cupy = pytest.mark.skipif(double.real is None, reason="the real CuPy, which knows the names, is not installed")
needs_emulator = pytest.mark.skipif(bool(emulator.why_not()), reason=emulator.why_not())


def device():
    return xp.asarray(np.arange(6, dtype=np.float32).reshape(2, 3))


HOST = np.ones((2, 3), np.float32)


@pytest.mark.parametrize(
    "mix",
    [
        lambda: np.sum(device()),
        lambda: np.exp(device()),
        lambda: np.asarray(device()),
        lambda: np.maximum(device(), 0),
        lambda: device() + HOST,
        lambda: HOST + device(),
        lambda: xp.add(device(), HOST),
        lambda: xp.concatenate([device(), HOST]),
        lambda: xp.where(device() > 0, device(), HOST),
        lambda: xp.einsum("ij,ij", device(), HOST),
        lambda: device().__setitem__(0, HOST[0]),
        lambda: HOST.copy().__setitem__(0, device()[0]),
        lambda: np.stack([device(), device()]),
    ],
)
def test_host_and_device_do_not_mix(mix):
    with pytest.raises((TypeError, ValueError)):
        mix()


@needs_cupy
@pytest.mark.parametrize(
    "use",
    [
        lambda: xp.errstate,
        lambda: xp.vecdot,
        lambda: device().setflags,
        lambda: device().sum(where=True),
        lambda: xp.sum(device(), initial=0.0),
    ],
)
def test_what_cupy_has_not_is_refused(use):
    with pytest.raises((AttributeError, TypeError)):
        use()


def test_waiting_for_the_gpu_is_counted_with_its_line():
    array = device() * 2
    double.SYNCS.clear()
    float(array.sum()), bool((array > 0).all()), array.get(), array[array > 0], xp.nonzero(array)
    assert [what for what, _, _ in double.SYNCS] == ["float", "bool", "get", "mask", "nonzero"]
    assert double.SYNCS[0][1].endswith("test_cupy_double.py")
    with double.no_sync(), pytest.raises(double.HiddenSyncError, match="bool at"):
        assert (array > 0).any()


def test_a_view_knows_whose_memory_it_is():
    array = device()
    assert array.base is None and (array + 1).base is None and array[:, 1:].T.base is array
    assert xp.broadcast_to(array, (4, 2, 3)).base is array and xp.concatenate([array, array]).base is None


def test_indices_may_come_from_the_host():
    assert device()[np.array([1]), :].get().tolist() == [[3, 4, 5]]


def test_what_would_start_a_kernel_is_counted():
    array = device()
    double.LAUNCHES.clear()
    array[0].reshape(-1), array.T, xp.empty(3), xp.ascontiguousarray(array)  # views, and what is there already
    assert +double.LAUNCHES == {}
    array + array, -array, array.sum(), xp.exp(array), xp.ascontiguousarray(array.T)
    array[0] = 1
    assert double.LAUNCHES.total() == 6 and double.LAUNCHES["add"] == double.LAUNCHES["setitem"] == 1


@pytest.mark.emulator
def test_a_training_step_starts_few_kernels():
    """Of a DCGAN; one of ours for what was several: a convolution, a normalization, an optimizer's whole step."""
    pytest.importorskip("numba_cuda", reason="the extra emulator brings it")
    import launch_count

    ours, cupys = launch_count.count()
    assert ours["adam_steps"] == 2 and ours["batch_norm_train"] == ours["batch_norm_grad"] == 8
    assert cupys["sqrt"] == cupys["rmul"] == cupys["exp"] == ours["leaky_relu"] == 0
    assert ours["add_pairs"] == ours["tanh_grad"] == 1 and ours["softplus_grad"] == ours["add_bias_grad"] == 3
    assert ours.total() + cupys.total() <= 117
    page = Path(__file__).parents[1] / "lessons" / "reference" / "cuda_kernels.md"
    said = f"**{ours.total()} kernels of ours and {cupys.total()} of CuPy's**"
    assert said in page.read_text(encoding="utf-8"), f"the page does not say {said}"


@pytest.mark.emulator
def test_an_average_of_weights_takes_one_launch():
    pytest.importorskip("numba_cuda", reason="the extra emulator brings it")
    import launch_count

    from minigen.kernels.cuda import launch
    from minigen.models.ema import EMA

    device = launch_count.Counting()
    with double.as_cupy(), launch.running_on(device):
        network = mg.nn.Sequential(mg.nn.Conv2d(1, 2, 3), mg.nn.BatchNorm2d(2), mg.nn.Linear(2, 3)).to("cuda")
        average = EMA(network, 0.9)
        double.LAUNCHES.clear()
        average.update(network)
    assert [name for name, *_ in device.launches] == ["ema_steps"] and not +double.LAUNCHES


@pytest.mark.emulator
def test_what_differs_between_two_training_steps_is_known():
    """What a CUDA graph of the step would have to be given; the page says the same."""
    pytest.importorskip("numba_cuda", reason="the extra emulator brings it")
    import launch_count

    first, second = launch_count.steps()
    assert sorted(first.uploads) == sorted(second.uploads) == [(), (32, 3, 64, 64), (32, 100)]
    numbers, replaced = launch_count.differing(first, second)
    assert numbers == {"adam_steps": 2} and replaced == 8
    second.launches[0] = ("another", *second.launches[0][1:])
    assert launch_count.differing(first, second) is None


# ---- what our sources take from CuPy


def stands_for_cupy(node, names):
    """Whether an expression is the module: by the names that our sources give it."""
    called = node.func if isinstance(node, ast.Call) else None
    return (
        (isinstance(node, ast.Name) and node.id in names)
        or (isinstance(node, ast.Attribute) and node.attr in names)
        or (isinstance(called, ast.Name) and called.id in ("array_module", "_cupy"))
    )


def names_used():
    """(place, dotted name, keywords) of everything that our sources take from CuPy."""
    root = Path(__file__).parents[1]
    for path in sorted([*(root / "minigen").rglob("*.py"), *(root / "kernels").rglob("*.py")]):
        names = ("xp", "cupy", "arrays") if path.parent.name == "cuda" else ("xp", "cupy")
        tree = ast.parse(path.read_text(encoding="utf-8"))
        calls = {id(node.func): node.keywords for node in ast.walk(tree) if isinstance(node, ast.Call)}
        for node in ast.walk(tree):
            parts, inner = [], node
            while isinstance(inner, ast.Attribute) and not stands_for_cupy(inner, names):
                parts.append(inner.attr)
                inner = inner.value
            if parts and stands_for_cupy(inner, names):
                place = f"{path.relative_to(root).as_posix()}:{node.lineno}"
                yield place, ".".join(reversed(parts)), [word.arg for word in calls.get(id(node), []) if word.arg]


def what_cupy_lacks(uses):
    for place, name, keywords in uses:
        there = double.real
        for part in name.split("."):
            there = getattr(there, part, None)
        if there is None:
            yield f"{place}: {name}"
            continue
        try:
            takes = inspect.signature(there).parameters
        except (TypeError, ValueError):  # of compiled functions
            continue
        if not any(p.kind is p.VAR_KEYWORD for p in takes.values()):
            yield from (f"{place}: {name}(..., {word}=...)" for word in keywords if word not in takes)


@needs_cupy
def test_every_name_and_keyword_that_we_take_from_cupy_is_there():
    uses = list(names_used())
    found = {name for _, name, _ in uses}
    assert {"where", "add.at", "asarray", "empty", "cuda.get_current_stream", "concatenate"} <= found
    assert len(uses) > 50
    assert list(what_cupy_lacks(uses)) == []


@needs_cupy
def test_a_name_or_keyword_that_cupy_lacks_is_found():
    planted = [("a.py:1", "vecdot", []), ("a.py:2", "sum", ["where"]), ("a.py:3", "zeros", ["dtype"])]
    assert list(what_cupy_lacks(planted)) == ["a.py:1: vecdot", "a.py:2: sum(..., where=...)"]


# ---- the engine on it


@pytest.fixture
def gpu():
    """CuPy is the double, and CUDA kernels are emulated."""
    from minigen.kernels.emulator import emulated

    with double.as_cupy(), emulated(arrays=xp):
        yield


def step(where, kernels_of):
    """One step of a small discriminator, as the training loop takes it: (loss, parameters) on the host."""
    mg.manual_seed(3)
    net = mg.nn.Sequential(
        mg.nn.Conv2d(1, 4, 4, stride=2, padding=1, bias=False),
        mg.nn.BatchNorm2d(4),
        mg.nn.LeakyReLU(0.2),
        mg.nn.Conv2d(4, 1, 4),
    ).to(where)
    optimizer = mg.optim.Adam(net.parameters(), lr=1e-2, betas=(0.5, 0.999))
    images = mg.tensor(np.random.default_rng(0).standard_normal((3, 1, 8, 8)).astype(np.float32), device=where)

    def once():
        optimizer.zero_grad()
        loss = mg.functional.softplus(net(images)).mean()
        loss.backward()
        optimizer.step()
        return loss

    with kernels.use(kernels_of):
        once()  # compiles
        double.SYNCS.clear()
        loss = once()
        waits = list(double.SYNCS)
    return loss.numpy(), dict(net.state_dict()), waits


@needs_emulator
def test_a_training_step_on_the_double_equals_the_cpus_and_never_waits(gpu):
    want_loss, want, _ = step("cpu", "reference")
    loss, got, waits = step("cuda", "auto")
    assert waits == []
    np.testing.assert_allclose(loss, want_loss, rtol=1e-5)
    assert got.keys() == want.keys()
    for name in want:
        np.testing.assert_allclose(got[name], want[name], rtol=2e-3, atol=2e-4, err_msg=name)


@needs_emulator
def test_gradients_of_leaves_are_added_together_and_are_those_of_the_cpu(gpu):
    """Whatever they are made of: of two uses, three, one and none; of two dtypes; and recorded, for a second pass."""
    rng = np.random.default_rng(0)
    arrays = [rng.integers(-3, 4, shape).astype(np.float32) for shape in ((2, 3), (3,), (2, 1), (4,))]
    found = []
    for where in ("cpu", "cuda"):
        a, b, c, unused = (mg.tensor(array, device=where, requires_grad=True) for array in arrays)
        wide = mg.tensor(np.arange(3.0), device=where, requires_grad=True)
        y = (a * b * c + a * a * b).sum() + (wide * b.to(np.float64) + wide).sum().to(np.float32)
        first = mg.grad(y, [a, b, c, wide, unused], allow_unused=True, create_graph=True)
        second = mg.grad((first[0] * first[1]).sum(), [a, b, c], retain_graph=True)
        assert first[-1] is None
        found.append([t.numpy() for t in (*first[:-1], *second)])
        found[-1] += [t.numpy() for t in (*mg.grad(y, [a, b], retain_graph=True), *mg.grad(y, [a, b, c, wide]))]
    for cpu, cuda in zip(*found, strict=True):
        np.testing.assert_array_equal(cuda, cpu)


@needs_emulator
def test_gradients_of_leaves_are_added_in_the_order_of_the_cpu(gpu):
    """Of four uses of each: where sums round, another order would give other bits; and one launch serves all leaves."""
    rng = np.random.default_rng(0)
    arrays = [[rng.standard_normal(5).astype(np.float32) for _ in range(5)] for _ in range(3)]
    found, started = [], []
    plain = kernels.find("add_pairs", xp.zeros(1))
    with kernels.register("add_pairs", lambda xs, ys: started.append(len(xs)) or plain(xs, ys)):
        for where in ("cpu", "cuda"):
            rows = [[mg.tensor(array, device=where) for array in row] for row in arrays]
            leaves = [row[0].requires_grad_() for row in rows]
            uses = [(leaf * row[i]).sum() for i in range(1, 5) for leaf, row in zip(leaves, rows)]
            found.append([g.numpy() for g in mg.grad(sum(uses[1:], uses[0]), leaves)])
    np.testing.assert_array_equal(found[1], found[0])
    assert started == [3, 3, 3]


@needs_emulator
@pytest.mark.parametrize("kind", ["GRU", "LSTM"])
def test_a_recurrent_layer_on_the_double_equals_the_cpus(gpu, kind):
    """The CUDA set has no kernel for it, so the plain formulas must run on the device's arrays."""
    found = []
    for where in ("cpu", "cuda"):
        mg.manual_seed(3)
        layer = getattr(mg.nn, kind)(2, 3).to(where)
        x = mg.tensor(np.random.default_rng(0).standard_normal((4, 2, 2)).astype(np.float32), device=where)
        output = layer(x)[0]
        gradients = mg.grad((output * output).sum(), list(layer.parameters()))
        found.append([t.numpy() for t in (output, *gradients)])
    for cpu, cuda in zip(*found, strict=True):
        np.testing.assert_allclose(cuda, cpu, rtol=1e-4, atol=1e-6)
