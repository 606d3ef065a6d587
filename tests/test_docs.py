"""The documentation site: its generated tables are complete, its docstrings become Markdown, its links lead somewhere.

The site itself is built, and looked at in a browser, by the tests marked `browser`.
"""

import contextlib
import inspect
import io
import json
import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import minigen as mg
from minigen.cli.main import COMMANDS, main
from minigen.engine import primitives

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "docs"))
from sitegen import docstrings, mathjax, pages, reference, source, tables  # noqa: E402

OWN = sorted(name for name, p in primitives.items() if p.__module__.startswith("minigen."))


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """All sources of the site; putting them together fails if a link or a quoted section leads nowhere."""
    return pages.assemble(tmp_path_factory.mktemp("pages"))


def text_of(site, document):
    return (site.folder / f"{document}.md").read_text(encoding="utf-8")


def section(text, heading):
    """The part of a page below a heading, up to the next one of the same level or a higher one."""
    level = len(heading) - len(heading.lstrip("#"))
    found = re.search(rf"^{re.escape(heading)}\n(.*?)(?=^#{{1,{level}}} |\Z)", text, re.M | re.S)
    assert found, heading
    return found[1]


# ---- generated tables: what is registered is there


def test_every_primitive_is_there_with_its_formula_and_rules(site):
    rows = tables.primitive_rows()
    assert sorted(row.name for row in rows) == OWN
    page = text_of(site, "tables/primitives")
    for row in rows:
        p = primitives[row.name]
        shown = section(page, f"### {row.name}")
        formula, rules = shown.split("**Gradient rules**")
        assert len(formula.strip()) > 3 and re.split(r"[`$*\n]", row.formula)[0].strip() in formula, row.name
        for argument, rule in p.rules.items():  # every rule by its name: `x=` in a call, or the helper that shares it
            assert f"{argument}=" in row.rules or "vjp_uses" in row.rules or "share_vjps" in row.rules, (row.name, rule)
        assert p.rules or "vjp_all" in row.rules or "share_vjps" in row.rules, row.name
        assert row.rules in rules


def test_every_loss_is_there_with_formula_gradient_sign_reduction_detach_and_paper(site):
    families = tables.loss_families()
    listed = [record.name for family in families.values() for record in family.losses]
    own = [name for name, record in mg.losses.LOSSES.items() if record.function.__module__.startswith("minigen.")]
    assert sorted(listed) == sorted(own)
    page = text_of(site, "tables/losses")
    for family in families.values():
        shown = section(page, f"## {family.title}")
        assert family.formulas and family.gradients and re.search(r"\b(19|20)\d\d\b", family.paper), family.name
        assert all(f"$${formula}$$" in shown for formula in (*family.formulas, *family.gradients))
        assert "Detach" in family.notes and len(family.notes) >= 2, family.name
        for title in ("Sign", "Reduction and scale", "Detach", "Paper"):
            assert f"**{title}.** " in shown, (family.name, title)
        derivation = text_of(site, f"losses/{family.name}")
        for record in family.losses:
            assert f"{{py:function}} minigen.losses.{record.name}(" in derivation
            assert record.gradient is None or inspect.getsource(record.gradient).strip() in derivation


def test_wgan_gp_has_the_formula_and_gradient_of_the_paper(site):
    """Gulrajani et al. 2017, equation 3: known words of the page that a newcomer looks for."""
    family = tables.loss_families()["wgan_gp"]
    assert r"\frac{\kappa}{N} \sum_n (\|u_n\| - 1)^2" in family.formulas[0]
    assert r"\frac{2 \kappa}{N}\, (\|u_n\| - 1)\, \frac{u_n}{\|u_n\|}" in family.gradients[0]
    assert "WGAN-GP" in text_of(site, "losses/wgan_gp").split("\n", 1)[0]


def test_every_model_is_there_with_every_option_and_its_number_of_weights(site):
    page = text_of(site, "tables/models")
    for name, model in mg.models.families().items():
        if not model.__module__.startswith("minigen."):
            continue
        shown = section(page, f"## {name}")
        for each in model.Options.specifications():
            assert f"| `{each.name}` |" in shown, (name, each.name)
            assert each.from_data or f"`{each.default}`" in shown
    built = mg.models.build("dcgan", size=28, channels=1)
    count = sum(int(np.prod(p.shape)) for p in built.parameters())
    assert re.search(rf"^\| \[`dcgan`\].*\| {count:,} \| \d+ \|$", page, re.M)


def test_every_family_has_a_measured_time_of_its_training_as_it_is_now():
    """After a change of the epochs: python lessons/reference/make_training_times.py FAMILY."""
    times = json.loads((ROOT / "lessons" / "reference" / "training_times.json").read_text(encoding="utf-8"))
    own = {name: one for name, one in mg.models.families().items() if one.__module__.startswith("minigen.")}
    assert {name: one.EPOCHS for name, one in own.items()} == {
        name: row["epochs"] for name, row in times["families"].items()
    }
    for row in times["families"].values():
        assert row["seconds_per_step"] * row["steps"] == pytest.approx(row["seconds"], rel=0.01, abs=0.1)
    assert [tables.training_minutes(seconds) for seconds in (20, 101, 400)] == ["1", "2", "7"]


def test_every_data_set_is_there(site):
    page = text_of(site, "data")
    for row in mg.data.describe():
        assert re.search(rf"^\| `{row['name']}` \|.*\| {row['shape']} \| {re.escape(row['needs'])} \|", page, re.M), row


def help_of(*command):
    """What the command prints with --help: an oracle that knows nothing of the tables."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        main([*command, "--help"])
    return printed.getvalue()


def flags_in(text):
    """Flags at the beginning of a line of help; the debugging flag is hidden there."""
    return {flag for line in re.findall(r"^  (-.*)$", text, re.M) for flag in re.findall(r"--[a-z][\w-]*", line)}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_flag_of_every_command_is_there(site, command):
    shown = section(text_of(site, "tables/command_line"), f"## minigen {command}")
    wanted = flags_in(help_of(command)) - {"--help"}
    assert wanted <= set(re.findall(r"--[a-z][\w-]*", shown))
    assert all(f"`{flag}" in shown or f", {flag}" in shown for flag in wanted)


@pytest.mark.parametrize("name", ["gan", "vae", "repair", "points", "rcgan"])
def test_the_flags_of_train_are_there_and_the_options_at_their_model(site, name):
    every = section(text_of(site, "tables/command_line"), "### minigen train MODEL")
    options = section(text_of(site, "tables/models"), f"## {name}")
    for flag in flags_in(help_of("train", name)) - {"--help"}:
        option = flag.removeprefix("--").removeprefix("no-").replace("-", "_")
        assert f"`{flag}" in every or f"| `{option}` |" in options, flag


def test_commands_below_a_command_are_there(site):
    page = text_of(site, "tables/command_line")
    for name in ("check", "build", "grade", "export", "similar", "validate"):
        assert section(page, f"### minigen course {name}")
    every = section(page, "### minigen train MODEL")
    assert every.count("(default: that of the model)") == 4  # --data, --epochs, --batch-size, --run
    assert (
        "more `--epochs` or `--steps` prolong it" in page
    )  # flags in a sentence are code, so that none becomes a dash


def test_the_numbers_of_an_undecided_discriminator(site):
    shown = dict(re.findall(r"^\| `(\w+)` \| ([\d.]+) ", text_of(site, "guides/read_the_log"), re.M))
    expected = {"non_saturating": math.log(4), "minimax": math.log(4), "lsgan": 0.25, "hinge": 2}
    assert set(expected) <= set(shown) == set(mg.losses.GAN_LOSSES)
    for name, value in expected.items():
        assert float(shown[name]) == pytest.approx(value, abs=5e-4)
    assert "1.386" in text_of(site, "faq")


# ---- the interface


def test_every_public_name_is_documented_once(site):
    everything = "\n".join(
        p.read_text(encoding="utf-8") for p in [*site.folder.glob("api/*"), *site.folder.glob("losses/*")]
    )
    documented = re.findall(r"^:+\{py:(?:function|class|data)\} ([\w.]+)", everything, re.M)
    assert len(documented) == len(set(documented))
    known = {name.rpartition(".")[2] for name in documented}
    for concept in reference.CONCEPTS:
        for module in concept.modules:
            for name, _ in reference._public(module):
                assert name in known, f"{module}.{name}"
    for name in ("minigen.Tensor", "minigen.nn.Conv2d", "minigen.functional.conv2d", "minigen.optim.Adam"):
        assert name in documented


def test_every_package_has_a_page():
    """A new package of minigen is put on a page, or said to have none."""
    without = {
        "_util",
        "cli",
        "kernels",
        "lessons",
        "ops",
        "play",
    }  # the command line, primitives and guides have pages
    packages = {path.parent.name for path in (ROOT / "minigen").glob("*/__init__.py")} - without
    modules = {module for concept in reference.CONCEPTS for module in concept.modules}
    assert {f"minigen.{name}" for name in packages} <= modules


# ---- docstrings


def test_a_docstring_becomes_markdown():
    text = """Compute $x^2$ of `x` and ``y * z``.

    Parameters
    ----------
    x, y_ : Tensor (N, *)
        The first line,
        and the second.

        - a point

    Returns
    -------
    Tensor ()

    Examples
    --------
    >>> square(2)  # doctest: +SKIP
    4
    """
    assert docstrings.to_markdown(text).split("\n") == [
        "Compute $x^2$ of `x` and `y * z`.", "", "",
        "**Parameters**", "",
        r"**x, y\_** : *Tensor (N, \*)*", ": The first line,", "  and the second.", "", "  - a point", "", "",
        "**Returns**", "", "Tensor ()", "", "",
        "**Examples**", "", "", "```pycon", ">>> square(2)", "4", "```",
    ]  # fmt: skip


def test_tables_literals_and_names_of_a_docstring():
    text = """What there is::

        a  b

    ====== ===============
    name   meaning
    ====== ===============
    `add`  $|x|$ or more
           on two lines
    ====== ===============
    """
    linked = docstrings.to_markdown(text, {"add": "[add](#add)"}.get)
    assert linked.split("\n") == [
        "What there is:", "", "```text", "a  b", "```", "", "",
        "| name | meaning |", "|---|---|", r"| [add](#add) | $\|x\|$ or more on two lines |",
    ]  # fmt: skip
    without_heading = docstrings.to_markdown("==== ====\na    b\nc    d\n==== ====")
    assert without_heading.split("\n") == ["|  |  |", "|---|---|", "| a | b |", "| c | d |"]


def test_names_in_formulas_and_code_are_left_alone():
    assert docstrings.inline("$a$ `a` ``a`` a", {"a": "LINK"}.get) == "$a$ LINK `a` a"
    assert docstrings.inline("*args and <b> and 3 * 4") == r"\*args and \<b> and 3 \* 4"


def test_a_parameter_is_no_link_to_a_function_of_its_name():
    names = reference.Names()
    names.add("minigen.augment.scale", "api/augment", lambda: 0)
    names.add("minigen.sum", "api/tensor", lambda: 0)
    names.add("minigen.Tensor.dim", "api/tensor", None, member=True)
    assert names.link("scale") and names.link("minigen.sum()") and names.link("Tensor.dim")
    assert names.link("dim") is None
    link = names.link_for(lambda sum: 0, "minigen.nn.f")
    assert link("sum") is None and link("scale") is None and link("augment.scale")
    assert names.link_for(None, "minigen.nn.f")("sum") and names.link_for(None, "minigen.augment.f")("scale")


# ---- links


def test_links_lead_to_pages_pictures_and_sources(site):
    rewritten = site.rewrite(
        "[p](docs/faq.md#training) [s](minigen/tensor.py) [d](lessons/solutions) [w](https://a.b/c) `[0](x)`\n"
        "```\n[0](x)\n```\n[n](lessons/08_gan.ipynb)", "README.md", "tables/x"
    )  # fmt: skip
    assert rewritten == (
        "[p](../faq.md#training) [s](src:../source/minigen/tensor.py.html) [d](src:../source/lessons/solutions/index.html) "
        "[w](https://a.b/c) `[0](x)`\n```\n[0](x)\n```\n[n](../lessons/08_gan.ipynb)"
    )
    assert site.rewrite("in `docs/faq.md`, `minigen/no.py`", "README.md", "index") == (
        "in [`docs/faq.md`](faq.md), `minigen/no.py`"
    )
    badge = "[![Open](https://a.b/badge.svg)](https://a.b/c)"
    assert site.rewrite(badge, "README.md", "index") == "[Open](https://a.b/c)"  # no request to another host
    with pytest.raises(SystemExit, match=r"nothing\.md leads nowhere"):
        site.rewrite("[x](nothing.md)", "README.md", "index")


def test_the_front_page_leads_to_what_newcomers_look_for(site):
    links = re.findall(r"\]\(([\w./]+\.md)", text_of(site, "index").split("```{toctree}")[0])
    wanted = {"guides/own_photographs.md", "guides/read_the_log.md", "losses/wgan_gp.md", "guides/check_gradients.md"}
    assert wanted | {"cite.md", "faq.md"} <= set(links)


def test_how_to_cite_has_the_version(site):
    page = text_of(site, "cite")
    assert page.count(mg.__version__) >= 3 and "@software{minigen," in page


def test_lessons_have_stored_outputs_and_hidden_cells_are_folded(site):
    page = (site.folder / "lessons" / "08_gan.ipynb").read_text(encoding="utf-8")
    assert '"hide-input"' in page and "minigen lesson 8" in page and '"image/png"' in page
    assert "minigen lesson 8 --lang zh" in (site.folder / "lessons/zh/08_gan.ipynb").read_text(encoding="utf-8")


def test_pages_of_source_have_numbered_lines(tmp_path):
    pytest.importorskip("pygments")
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c.py").write_text("x = 1\ny = '<'\n")
    source.write(tmp_path, tmp_path / "site", [Path("a")])
    page = (tmp_path / "site" / source.address(Path("a/b/c.py"))).read_text(encoding="utf-8")
    assert 'id="L-2"' in page and "&lt;" in page and 'href="../../../index.html"' in page
    assert 'href="b/index.html"' in (tmp_path / "site/source/a/index.html").read_text(encoding="utf-8")


def test_mathjax_is_refused_if_its_checksum_is_another(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(mathjax.urllib.request, "urlopen", lambda url, timeout: asked.append(url) or io.BytesIO(b"no"))
    with pytest.raises(SystemExit, match=r"checksum is not that of MathJax 3\.2\.2"):
        mathjax.fetch(tmp_path)
    assert asked == [mathjax.URL] and list(tmp_path.iterdir()) == []
    (tmp_path / "mathjax-3.2.2.tgz").write_bytes(b"old")
    with pytest.raises(SystemExit, match="delete it"):
        mathjax.fetch(tmp_path)
    assert len(asked) == 1  # what is there is not fetched


def test_a_broken_link_or_anchor_of_the_site_is_found(tmp_path):
    import check_site

    (tmp_path / "a.html").write_text(
        '<a href="b.html#x">1</a><a href="b.html#y">2</a><a href="c.html">3</a><a id="z"/>'
    )
    (tmp_path / "b.html").write_text('<p id="x"><a href="a.html#z">4</a><a href="https://a.b/c">5</a></p>')
    assert list(check_site.broken_links(tmp_path)) == [
        "a.html: the link b.html#y has no such anchor",
        "a.html: the link c.html leads nowhere",
    ]


# ---- the site, built and looked at


@pytest.mark.slow
@pytest.mark.browser
def test_the_site_builds_without_a_warning_and_passes_in_a_browser(tmp_path):
    for module in ("furo", "myst_nb", "sphinx"):
        pytest.importorskip(module, reason="needs the extra 'docs'")
    pytest.importorskip("playwright", reason="needs the extra 'browser'")
    built = ROOT / "build" / "docs"  # the copy of MathJax, and what has not changed since the last build
    for command in (["docs/build.py"], ["docs/check_site.py", str(built / "site")]):
        done = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
