"""The static report: machine code counted, occupancy and the roofline by hand, our kernels within budget."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from minigen.cli import main
from minigen.kernels import static_report
from minigen.kernels.shapes import CONVOLUTIONS
from minigen.kernels.static_report import LAYERS
from minigen.kernels.static_report.gpus import GPUS, gpu_here, occupancy, roofline
from minigen.kernels.static_report.sass import count, hot_loop, parse

LISTING = """
        /*0000*/                   MOV R1, c[0x0][0x28] ;                /* 0x1 */
        /*0010*/              @!P0 LDG.E.128.CONSTANT R4, [R2.64] ;      /* 0x1 */
        /*0020*/                   BAR.SYNC.DEFER_BLOCKING 0x0 ;         /* 0x1 */
        /*0030*/                   LDS.128 R8, [R0] ;                    /* 0x1 */
        /*0040*/                   FFMA R12, R8, R4, R12 ;               /* 0x1 */
        /*0050*/                   FFMA R13, R9, R4, R13 ;               /* 0x1 */
        /*0060*/               @P1 BRA 0x30 ;                            /* 0x1 */
        /*0070*/                   DADD R2, R2, R4 ;                     /* 0x1 */
        /*0080*/               @P0 BRA 0x10 ;                            /* 0x1 */
        /*0090*/                   CALL.REL.NOINC 0x100 ;                /* 0x1 */
        /*00a0*/                   BRA 0xa0 ;                            /* 0x1 */
"""


def test_instructions_are_counted_by_kind():
    numbers = count(parse(LISTING))
    want = {"all": 11, "FFMA": 2, "F64": 1, "LDG": 1, "LDG.128": 1, "LDS": 1, "LDS.128": 1, "BAR": 1, "CALL": 1}
    assert {kind: numbers[kind] for kind in want} == want
    assert sum(numbers[kind] for kind in ("STG", "STS", "LDL", "STL", "ATOM")) == 0


def test_the_hot_loop_is_the_one_densest_in_multiply_adds():
    assert [i.address for i in hot_loop(parse(LISTING))] == [0x30, 0x40, 0x50, 0x60]
    assert hot_loop(parse("/*0000*/ FFMA R0, R0, R0, R0 ;")) == ()


@pytest.mark.parametrize(
    ("cc", "threads", "registers", "shared", "blocks", "share", "limit"),
    [
        (80, 256, 32, 0, 8, 1.0, "threads"),
        (80, 256, 128, 0, 2, 0.25, "registers"),  # 65536 / (256 * 128)
        (80, 256, 33, 0, 6, 0.75, "registers"),  # 33 count as 40
        (80, 64, 32, 49152 - 1024, 3, 3 * 64 / 2048, "shared memory"),  # 164 KiB hold three of 48
        (89, 32, 32, 0, 24, 0.5, "blocks"),
        (75, 1024, 64, 0, 1, 1.0, "threads"),
    ],
)
def test_occupancy_by_hand(cc, threads, registers, shared, blocks, share, limit):
    assert occupancy(cc, threads, registers, shared) == (blocks, share, limit)


def test_the_roofline_is_the_slower_of_computing_and_moving():
    for gpu in GPUS:
        ridge = gpu.flops / gpu.bandwidth  # operations a byte where both take as long
        assert roofline(gpu, 2 * ridge, 1) == pytest.approx(2 / gpu.bandwidth)
        assert roofline(gpu, ridge / 2, 1) == pytest.approx(1 / gpu.bandwidth)
        assert roofline(gpu, gpu.flops, 0, issue=0.25) == pytest.approx(4 / gpu.cycles)


#: Multiprocessors, clock and memory clock in kHz, width of the memory in bits: what the drivers of these cards say.
DRIVERS = {
    "T4": (40, 1590000, 5001000, 256),
    "A100": (108, 1410000, 1215000, 5120),
    "RTX 4090": (128, 2520000, 10501000, 384),
    "H100": (132, 1980000, 2619000, 5120),
}


@pytest.mark.parametrize("gpu", GPUS, ids=lambda gpu: gpu.name)
def test_peaks_from_the_drivers_figures_are_the_data_sheets(gpu):
    names = ("MultiProcessorCount", "ClockRate", "MemoryClockRate", "GlobalMemoryBusWidth")
    here = gpu_here(gpu.name, gpu.cc, dict(zip(names, DRIVERS[gpu.name])))
    assert here.cycles == gpu.cycles
    assert here[2:4] == pytest.approx(gpu[2:4], rel=0.01)
    silent = gpu_here(gpu.name, gpu.cc, {"MultiProcessorCount": 4})
    assert roofline(silent, 1e9, 1e9) == 0


def test_the_page_has_a_row_for_every_convolution_layer_and_gpu():
    page = Path(__file__).parents[1] / "lessons" / "reference" / "cuda_kernels.md"
    rows, op = [], ""
    for line in page.read_text(encoding="utf-8").splitlines():
        op = line.strip("*") if line.startswith("**conv") else op
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 11 and "->" in cells[0]:
            rows.append((op, cells[0], cells[1]))
            spilled, share, ratio = int(cells[4]), cells[6], float(cells[7].split("= ")[1])
            assert spilled == 0 and float(share.strip("%")) >= 25 and ratio >= 8
    assert rows == [(op, str(layer), cc) for op in CONVOLUTIONS for layer in LAYERS for cc in ("80", "90")]


needs_compilers = pytest.mark.skipif(bool(static_report.why_not()), reason=static_report.why_not())


@needs_compilers
@pytest.mark.parametrize("op", ["conv2d", "conv2d_input_grad", "conv2d_weight_grad"])
def test_the_convolutions_keep_to_the_budget(op, tmp_path):
    path = tmp_path / "report.json"
    assert main(["check", "--cuda", op, "--cc", "80", "90", "--report", "json", "--output", str(path)]) == 0
    rows = json.loads(path.read_text(encoding="utf-8"))
    assert {row["cc"] for row in rows} == {80, 90}
    for row in rows:
        assert row["over_budget"] == [] and row["spilled"] == 0 and row["instructions"]["F64"] == 0
    matrix = [row for row in rows if row["flops"]]
    assert len(matrix) == 2
    for row in matrix:
        assert row["hot_loop"]["CALL"] == 0 and row["hot_loop"]["FFMA"] >= 8 * row["hot_loop"]["LDS"]
        assert row["hot_loop"]["LDS.128"] > 0 and row["occupancy"]["share"] >= 0.25
        assert row["microseconds_at_least"]["A100"] > 1e6 * row["flops"] / 19.5e12 * 0.999


@needs_compilers
def test_the_elementwise_kernels_keep_to_the_budget(capsys):
    assert main(["check", "--cuda", "batch_norm_grad", "adam_step", "add_bias", "--cc", "80"]) == 0
    printed = capsys.readouterr().out
    assert "All within budget" in printed and "not run" in printed


@needs_compilers
def test_planted_double_precision_and_spills_are_over_budget():
    from numba import cuda, float32, int32

    @cuda.jit
    def doubles(x):
        total = 0.0
        for i in range(x.size):
            total += x[i] * 0.1
        x[0] = total

    @cuda.jit
    def spills(x, k):
        own = cuda.local.array(64, float32)
        for i in range(64):
            own[i] = 0
        for i in range(x.size):
            own[(i * k) & 63] += x[i]  # an index known only when it runs: registers cannot be indexed
        for i in range(64):
            x[i] = own[i]

    (bad,) = [static_report.analyse(doubles, [float32[::1]], threads=256)]
    assert any("double precision" in fault for fault in bad.over_budget())
    bad = static_report.analyse(spills, [float32[::1], int32], threads=256)
    assert any("spilled" in fault for fault in bad.over_budget())


@needs_compilers
def test_the_table_of_layers_says_what_a_row_costs_beside_its_product(capsys, monkeypatch):
    monkeypatch.setattr(static_report, "LAYERS", LAYERS[:1])
    assert main(["check", "--cuda", "conv2d", "--cc", "80", "--report", "markdown"]) == 0
    printed = capsys.readouterr().out
    assert printed.count("\n| 3->64 at 64x64") == 1 and "All within budget." in printed
    row, gpu = static_report.analyse_product("conv2d_weight_grad", LAYERS[0]), GPUS[1]
    assert row.moved_beside > 4 * 3 * 64 * 4 * 4  # the result at least, and its shares
    assert replace(row, moved_beside=0).seconds(gpu) == row.seconds(gpu) - row.moved_beside / gpu.bandwidth
    over = replace(row, counts={**row.counts, "ATOM": 1}).over_budget()
    assert over == ["1 atomic instructions, whose order changes from run to run"]


@needs_compilers
def test_only_convolutions_have_a_table(capsys):
    assert main(["check", "--cuda", "leaky_relu", "--report", "markdown"]) == 2
    assert "markdown: no table of leaky_relu; expected some of conv2d," in capsys.readouterr().err
    assert main(["check", "tanh", "--report", "markdown"]) == 2
    assert "--report markdown is for --cuda" in capsys.readouterr().err


def test_what_is_missing_or_unknown_is_said(capsys, monkeypatch):
    monkeypatch.setattr(static_report, "why_not", lambda: "the static report needs numba-cuda")
    assert main(["check", "--cuda", "conv2d"]) == 2
    assert "needs numba-cuda" in capsys.readouterr().err


@needs_compilers
def test_an_unknown_kernel_or_gpu_is_refused(capsys):
    assert main(["check", "--cuda", "conv4d"]) == 2
    assert "conv4d" in capsys.readouterr().err
    assert main(["check", "--cuda", "leaky_relu", "--cc", "7"]) == 2
    assert "expected one of 75, 80" in capsys.readouterr().err
