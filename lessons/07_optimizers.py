# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 7. Optimizers: from the gradient to the step
#
# **The question.** Lesson 1 computes the gradient of the loss for every parameter.  The gradient says in which direction
# the loss rises fastest.  How far should each parameter move, and is the opposite of the gradient the best direction?
# The rule that answers this is called an **optimizer** (优化器).
#
# At the end you will be able to
#
# - say which learning rate is too large, before you try it;
# - write momentum, RMSprop and Adam in a few lines, and derive each of their parts;
# - say where $\epsilon$ sits, and when it matters; what weight decay does in Adam and in AdamW;
# - explain why a GAN is not a minimization, and why its optimizers have $\beta_1 = 0.5$.
#
# You need NumPy, derivatives and lesson 1.  Plan two sittings of about an hour: sections 1 to 4, sections 5 to 8.  Six
# exercises check your answers; you can go on without solving them.
#
# | symbol | in the code | meaning |
# |---|---|---|
# | $\theta$ | `theta`, `param` | the parameters |
# | $L$ | `loss` | the number that should become small |
# | $g_t$ | `grad` | the gradient of $L$ at step $t = 1, 2, \dots$ |
# | $\eta$ | `lr` | the **learning rate** (学习率) |
# | $\lambda$ | `curvature` | the second derivative of $L$ in one direction |
# | $\beta$; $\beta_1, \beta_2$ | `momentum`; `betas` | how much of a running mean is kept at each step |
# | $v_t$; $m_t$, $s_t$ | `velocity`; `m`, `s` | momentum's velocity; Adam's running means of $g$ and of $g^2$ |
# | $\epsilon$ | `eps` | a small number that prevents a division by 0 |
# | $w$ | `weight_decay` | the strength of weight decay |
#
# (The symbols of all lessons are in `lessons/README.md`.)

# %%
import numpy as np
from PIL import Image

import minigen as mg
from minigen import lessons, plot
from minigen.course import optimizers as exercises
from minigen.course import show_source

# %% [markdown]
# ## 1. Gradient descent, and when it explodes
#
# The simplest optimizer takes a step along minus the gradient: $\theta_{t} = \theta_{t-1} - \eta\, g_t$.  If $g$ is the
# gradient of a random **batch** of the data, it is called **stochastic gradient descent** (随机梯度下降), in short SGD.
#
# Near a minimum every smooth loss looks like a parabola in each of certain directions, the eigenvectors of its Hessian:
# $L = \frac12 \lambda \theta^2$, with the curvature $\lambda$.  There $g = \lambda\theta$, and
#
# $$\theta_t = \theta_{t-1} - \eta\lambda\,\theta_{t-1} = (1 - \eta\lambda)\,\theta_{t-1} .$$
#
# So each step multiplies the distance to the minimum by $1 - \eta\lambda$.  What happens for $\eta\lambda$ = 0.5, 1, 1.5, 2,
# 2.1?  Decide before you run the cell.

# %%
curvature, start = 1.0, 1.0
for rate in (0.5, 1.0, 1.5, 2.0, 2.1):
    theta, path = start, []
    for _ in range(6):
        theta = theta - rate * curvature * theta
        path.append(theta)
    print(f"lr * curvature = {rate}: ", "  ".join(f"{value + 0.0:7.3f}" for value in path))

# %% [markdown]
# Below 1 the parameter comes to the minimum from one side.  Between 1 and 2 it jumps over the minimum and still comes
# nearer.  At 2 it jumps to the same distance for ever.  Above 2 every step is larger than the one before: the training
# *explodes*.
#
# A network has many directions, each with its own curvature.  One learning rate must be small enough for the steepest of
# them, and then the flattest ones hardly move.  The ratio of the largest to the smallest curvature is the **condition
# number** (条件数).  Here it is 100: a long narrow valley.


# %%
def valley(theta):
    """0.5 * (100 a^2 + b^2) and its gradient; theta has shape (2,)."""
    curvatures = np.array([100.0, 1.0])
    return 0.5 * (curvatures * theta**2).sum(), curvatures * theta


def descend(surface, start, step, steps):
    """The path of an optimizer: an array (steps + 1, 2).  `step(theta, grad)` gives the next theta."""
    path = [np.array(start, float)]
    for _ in range(steps):
        path.append(step(path[-1], surface(path[-1])[1]))
    return np.array(path)


for rate in (0.001, 0.01, 0.0198, 0.0202):
    path = descend(valley, (1, 1), lambda theta, grad, rate=rate: theta - rate * grad, 200)
    print(
        f"lr {rate:6}: after 200 steps a = {path[-1, 0]:10.2g}, b = {path[-1, 1]:6.2g}, loss {valley(path[-1])[0]:.2g}"
    )

# %% [markdown]
# With 0.0202 the steep direction explodes.  With 0.0198 it only just converges, and the flat direction still needs
# hundreds of steps.  The optimizers of this lesson are different answers to this problem.
#
# ### Exercise 7.1: the largest learning rate
#
# A loss has the curvatures `curvatures` (an array of positive numbers) in its directions.  Below which learning rate does
# gradient descent converge?  And by which factor does the *slowest* direction shrink at each step, if the learning rate
# is half of that limit?


# %%
def stable_rate(curvatures):
    """The limit of the learning rate; and the slowest direction's factor per step at half of it."""
    limit = ...
    factor = ...
    return limit, factor


exercises.stable_rate(stable_rate)

# %% [markdown]
# <details><summary>Hint</summary>
#
# $|1 - \eta\lambda| < 1$ must hold for every $\lambda$.  Which $\lambda$ is the first to break it?  At half of the limit,
# which direction has the factor nearest to 1?
#
# </details>
#
# ## 2. Momentum
#
# In the valley, the gradient of the steep direction changes its sign at every step, and the gradient of the flat direction
# does not.  If we *add* the last gradients, the first ones cancel and the second ones accumulate.  **Momentum** (动量, Polyak
# 1964) adds them with weights that fall off:
#
# $$v_t = \beta\, v_{t-1} + g_t, \qquad \theta_t = \theta_{t-1} - \eta\, v_t .$$
#
# *How large does the step become?*  For a constant $g$ the velocity is $g\,(1 + \beta + \beta^2 + \dots) = g/(1 - \beta)$.
# With $\beta = 0.9$ the steps in a constant direction are ten times longer.  (Some programs write
# $v_t = \beta v_{t-1} + (1 - \beta) g_t$.  It is the same method with another $\eta$.  PyTorch and minigen have no
# factor $1 - \beta$.)  minigen's SGD, as it is installed (`kernels.find` looks for the compiled loop of the same
# formula; `dampening` and `nesterov` are options that are off by default):

# %%
show_source(mg.optim.SGD._update)

# %%
velocity = np.zeros(2)


def heavy_ball(theta, grad):
    velocity[:] = 0.9 * velocity + grad
    return theta - 0.01 * velocity


plain = descend(valley, (1, 1), lambda theta, grad: theta - 0.01 * grad, 200)
with_momentum = descend(valley, (1, 1), heavy_ball, 200)
for steps in (10, 50, 200):
    print(
        f"loss after {steps:3} steps: plain {valley(plain[steps])[0]:.1e}, momentum 0.9 {valley(with_momentum[steps])[0]:.1e}"
    )

# %% jupyter={"source_hidden": true}
with plot.style():
    picture, axes = plot.figure(
        1, 2, size=(9, 3.6),
        caption="Sixty steps in a valley that is 100 times steeper across (a) than along (b). Left: plain gradient descent creeps along "
        "the floor. Right: momentum swings across at first, and comes near the minimum in both directions.",
    )  # fmt: skip
    a, b = np.meshgrid(np.linspace(-1.2, 1.2, 101), np.linspace(-1.2, 1.2, 101))
    for place, path, title in zip(axes, (plain, with_momentum), ("plain", "momentum 0.9")):
        place.contour(a, b, 50 * a**2 + 0.5 * b**2, levels=np.geomspace(0.05, 60, 9), colors="#bbbbbb", linewidths=1)
        place.plot(path[:60, 0], path[:60, 1], marker=".", markersize=4, linewidth=1, color=plot.COLORS["blue"])
        place.plot(0, 0, "*", color=plot.COLORS["red"], markersize=10)
        place.set(xlabel="a", title=title)
    axes[0].set_ylabel("b")
picture

# %% [markdown]
# ### Exercise 7.2: a step of momentum
#
# Write one step, with weight decay as in PyTorch's SGD: the term $w\theta$ is added to the gradient before anything else.


# %%
def momentum_step(theta, grad, velocity, lr, momentum, weight_decay):
    """The new theta and the new velocity, as new arrays."""
    return ...


exercises.momentum_step(momentum_step)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Three lines: the gradient with its decay, the velocity, the step.  The step uses the *new* velocity.
#
# </details>
#
# ## 3. A learning rate for each parameter: RMSprop
#
# Another answer to the valley: divide each parameter's gradient by its usual size.  Then steep and flat directions take
# steps of the same length.  The usual size is the root of a running mean of the squares (Hinton 2012, **RMSprop**):
#
# $$s_t = \beta_2\, s_{t-1} + (1 - \beta_2)\, g_t^2, \qquad \theta_t = \theta_{t-1} - \eta\,\frac{g_t}{\sqrt{s_t} + \epsilon} .$$
#
# A running mean of this kind is an **exponential moving average** (指数移动平均): the square from $k$ steps ago has the
# weight $(1 - \beta_2)\beta_2^k$.  *Why the root?*  $s$ has the unit of $g^2$; the root has the unit of $g$, so that the
# quotient has none.  The size of the loss drops out: ten times the loss, the same steps.
#
# *Why $\epsilon$?*  A parameter whose gradients have all been 0 has $s = 0$.
#
# ## 4. Adam: both, and a correction
#
# **Adam** (Kingma and Ba 2015) uses both ideas: a running mean $m$ of the gradients as the direction, divided by the root
# of the running mean $s$ of their squares.
#
# $$m_t = \beta_1 m_{t-1} + (1 - \beta_1)\, g_t, \qquad s_t = \beta_2 s_{t-1} + (1 - \beta_2)\, g_t^2,$$
# $$\hat m_t = \frac{m_t}{1 - \beta_1^t}, \qquad \hat s_t = \frac{s_t}{1 - \beta_2^t}, \qquad
# \theta_t = \theta_{t-1} - \eta\, \frac{\hat m_t}{\sqrt{\hat s_t} + \epsilon} .$$
#
# *Why the hats?*  Both means start at 0, so at first they are too small.  By how much?  Write out the recursion:
# $m_t = (1 - \beta_1) \sum_{k=1}^t \beta_1^{t-k} g_k$.  If all $g_k$ have the same mean $g$, then
#
# $$E[m_t] = g\,(1 - \beta_1) \sum_{k=1}^t \beta_1^{t-k} = g\,(1 - \beta_1)\,\frac{1 - \beta_1^t}{1 - \beta_1} = g\,(1 - \beta_1^t) .$$
#
# Dividing by $1 - \beta_1^t$ repairs exactly this.  The same holds for $s$.  What would the first step be without the
# correction?  $m_1 = 0.1\,g$ and $\sqrt{s_1} = \sqrt{0.001}\,|g| = 0.03\,|g|$: it would be three times too long.

# %%
g = np.full(3, 0.02)
for bias_correction in (True, False):
    m = s = np.zeros(3)
    lengths = []
    for t in range(1, 1001):
        m, s = 0.9 * m + 0.1 * g, 0.999 * s + 0.001 * g**2
        c1, c2 = (1 - 0.9**t, 1 - 0.999**t) if bias_correction else (1.0, 1.0)
        lengths.append((m / c1 / (np.sqrt(s / c2) + 1e-8))[0])
    shown = ", ".join(f"step {t}: {lengths[t - 1]:.2f}" for t in (1, 2, 10, 100, 1000))
    print(f"constant gradient, {'with' if bias_correction else 'without'} correction, step / lr at {shown}")

# %% [markdown]
# With the correction each step has the length $\eta$, from the first one on.  Without it, the steps of the first hundred
# are several times too long: just then, when the network knows least.
#
# *How long can a step be?*  If all gradients are equal, $\hat m/\sqrt{\hat s} = \pm1$.  If their signs are random, $m$ is
# small and $s$ is not.  So $\eta$ is about the longest step that one parameter takes, **whatever the scale of the loss**.
# This is why the same $\eta$ works for very different networks.
#
# ### Exercise 7.3: a step of Adam


# %%
def adam_step(theta, grad, m, s, t, lr, beta1, beta2, eps):
    """The new theta, m and s, as new arrays; t is 1 at the first step."""
    return ...


exercises.adam_step(adam_step)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Update the two means first.  Then divide copies of them by $1 - \beta_1^t$ and $1 - \beta_2^t$; the means that you return
# are not corrected.  $\epsilon$ is added to the root, not under it.
#
# </details>
#
# This is minigen's.  (In the source `v` is our $s$.  `vmax`, for the variant AMSGrad, and the weight decay are off by default;
# section 5 explains the decay.)  `adam_steps` does `adam_step` with one parameter after another; the compiled kernel does
# the same in one call, and in one pass over the arrays:

# %%
show_source(mg.optim.Adam._update, mg.kernels.load("reference").adam_step)

# %% [markdown]
# ## 5. Where does $\epsilon$ sit, and who decays the weights?
#
# Programs called Adam differ in small things:
#
# | | formula | in |
# |---|---|---|
# | outside | $\hat m / (\sqrt{\hat s} + \epsilon)$ | the paper's algorithm 1, PyTorch, minigen |
# | "hat" | $\hat m / \big(\sqrt{\hat s} + \epsilon / \sqrt{1 - \beta_2^t}\big)$ | the paper's faster form, Keras, TensorFlow |
# | inside | $\hat m / \sqrt{\hat s + \epsilon}$ | Optax (`eps_root`) |
#
# When does it matter?  When $\sqrt{\hat s}$ is not much larger than $\epsilon$, or $\hat s$ not much larger than $\epsilon$.
# We compare the first step, divided by $\eta$, for gradients of different size, with $\epsilon = 10^{-8}$.  Where do you
# expect the first difference?

# %%
print("gradient   outside      hat   inside")
for size in (1e-2, 1e-4, 1e-6, 1e-8):
    outside = size / (size + 1e-8)
    hat = size / (size + 1e-8 / np.sqrt(1 - 0.999))
    inside = size / np.sqrt(size**2 + 1e-8)
    print(f"{size:8.0e}  {outside:8.4f} {hat:8.4f} {inside:8.4f}")

# %% [markdown]
# Under the root, $\epsilon = 10^{-8}$ acts like $10^{-4}$ outside of it: gradients of $10^{-4}$ already take a shorter step.
# Such gradients are common (a mean over a batch of images has them).  The whole list of variants is in
# `lessons/reference/optimizer_variants.md`; `minigen.check.optimizers` finds out which one a given program is.
#
# **Weight decay** (权重衰减).  To keep weights small, one adds $\frac{w}{2}\|\theta\|^2$ to the loss, which adds $w\theta$ to the
# gradient.  In SGD each weight then shrinks by the factor $1 - \eta w$ at each step.  In Adam the term $w\theta$ is
# *divided by* $\sqrt{\hat s}$, like everything in the gradient: weights with large gradients hardly decay.  **AdamW**
# (Loshchilov and Hutter 2019) shrinks the weights directly, $\theta \leftarrow (1 - \eta w)\,\theta$, and keeps the decay out
# of $m$ and $s$.  Two weights, both at 1, with noise of different size as gradients:


# %%
def decay_of(optimizer_class, noise, steps=500):
    """What is left of weights 1 after steps with random gradients of these sizes."""
    random = np.random.default_rng(0)
    weights = mg.tensor(np.ones((2, 200)), requires_grad=True)
    optimizer = optimizer_class([weights], lr=1e-3, weight_decay=0.5)
    for _ in range(steps):
        weights.grad = mg.tensor(np.asarray(noise)[:, None] * random.normal(size=(2, 200)))
        optimizer.step()
    return weights.numpy().mean(axis=1)


for optimizer_class in (mg.optim.Adam, mg.optim.AdamW):
    left = decay_of(optimizer_class, (0.01, 10.0))
    print(
        f"{optimizer_class.__name__:5}  noise 0.01: {left[0]:.2f} left, noise 10: {left[1]:.2f} left; (1 - lr w)^500 = {0.9995**500:.2f}"
    )

# %% [markdown]
# With AdamW both weights decay as announced.  With Adam, the weight with small gradients decays twice as fast (the decay is
# most of its gradient, and Adam takes full steps along it), and the weight with large gradients hardly decays at all.
#
# ### Exercise 7.4: which Adam is it?
#
# Four programs make one step from $\theta = 1$, $m = s = 0$, $g = 10^{-4}$, with $\eta = 0.1$, $\beta_1 = 0.9$,
# $\beta_2 = 0.999$, $\epsilon = 10^{-8}$, $w = 0.5$.  Their results are printed.  Which is which: `"adam"` (decay in the
# gradient), `"adamw"`, `"inside"` (AdamW with $\epsilon$ under the root), `"uncorrected"` (AdamW without bias correction)?

# %%
print({name: round(value, 4) for name, value in exercises.RESULTS.items()})

# %%
which_adam = {"P": ..., "Q": ..., "R": ..., "S": ...}

exercises.which_adam(which_adam)

# %% [markdown]
# <details><summary>Hint</summary>
#
# What remains of $\theta$ after the decay of AdamW alone?  How long is a first step of Adam: with correction, without, and
# with $\epsilon$ under the root?
#
# </details>
#
# ## 6. A race
#
# Four surfaces: the valley; the same valley turned by 30 degrees; Rosenbrock's curved valley,
# $(1 - a)^2 + 100\,(b - a^2)^2$; and a plateau with a narrow hole, $1 - e^{-2(a^2 + b^2)}$.  Each optimizer may try the same 13 learning rates on each surface, and its best one counts: the
# number of steps until the loss is below $10^{-3}$.  Which one do you expect to win on which surface?


# %%
def rosenbrock(theta):
    a, b = theta
    return (1 - a) ** 2 + 100 * (b - a * a) ** 2, np.array([-2 * (1 - a) - 400 * a * (b - a * a), 200 * (b - a * a)])


def plateau(theta):
    hole = np.exp(-2 * (theta**2).sum())
    return 1 - hole, 4 * theta * hole


TURN = np.array([[np.cos(np.pi / 6), -np.sin(np.pi / 6)], [np.sin(np.pi / 6), np.cos(np.pi / 6)]])


def turned_valley(theta):
    loss, slope = valley(TURN.T @ theta)
    return loss, TURN @ slope


SURFACES = {
    "valley": (valley, (1.0, 1.0)),
    "turned valley": (turned_valley, tuple(TURN @ [1.0, 1.0])),
    "Rosenbrock": (rosenbrock, (-1.0, 1.0)),
    "plateau": (plateau, (1.2, 1.0)),
}
OPTIMIZERS = {
    "SGD": lambda p, lr: mg.optim.SGD(p, lr),
    "momentum 0.9": lambda p, lr: mg.optim.SGD(p, lr, momentum=0.9),
    "RMSprop": lambda p, lr: mg.optim.RMSprop(p, lr),
    "Adam": lambda p, lr: mg.optim.Adam(p, lr),
    "Adam, beta1 0.5": lambda p, lr: mg.optim.Adam(p, lr, (0.5, 0.999)),
}


def steps_to(surface, start, make, rate, most=2000, goal=1e-3):
    """Steps until the loss is below `goal`; None if it never is."""
    theta = mg.tensor(np.array(start), requires_grad=True)
    optimizer = make([theta], rate)
    for step in range(1, most + 1):
        with np.errstate(all="ignore"):
            loss, slope = surface(theta.numpy())
        if not np.isfinite(loss) or not np.isfinite(slope).all() or abs(loss) > 1e12:
            return None
        if loss < goal:
            return step
        theta.grad = mg.tensor(slope)
        optimizer.step()
    return None


rates = 10.0 ** np.arange(-4, 0.5, 0.375)
print(f"{'':16}" + "".join(f"{name:>24}" for name in SURFACES))
for name, make in OPTIMIZERS.items():
    line = f"{name:16}"
    for surface, start in SURFACES.values():
        found = [(steps_to(surface, start, make, rate), rate) for rate in rates]
        found = [(steps, rate) for steps, rate in found if steps is not None]
        line += f"{f'{min(found)[0]} steps, lr {min(found)[1]:.1g}' if found else 'not in 2,000 steps':>24}"
    print(line)

# %% [markdown]
# No optimizer wins everywhere.
#
# - In the valley that lies along the axes, RMSprop and Adam are far ahead: both parameters take steps of the same length,
#   and the start (1, 1) is on the diagonal.  Turn the valley, and this advantage is gone: dividing each *parameter* by its
#   usual size helps only if the steep direction is one of the parameters.  SGD and momentum do not notice the turn.
# - Momentum wins in the turned and in the curved valley.  RMSprop, which has none, does not arrive in the curved one.
# - On the plateau the gradient is almost 0 at the start; the methods that divide by the gradient's size can win there.
# - Look at the best learning rates, too: they differ by factors of 10 to 100 from surface to surface.
#
# ### Exercise 7.5: the scale of the loss
#
# Someone multiplies the loss by 1,000 (a sum over pixels in place of a mean, for example).  By which factor must the
# learning rate be multiplied so that the parameters take the same path?  Answer for SGD, momentum, RMSprop and Adam (with
# $\epsilon = 0$), as numbers.

# %%
rate_factor = {"SGD": ..., "momentum": ..., "RMSprop": ..., "Adam": ...}

exercises.rate_factor(rate_factor)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Put $1000\,g$ in place of $g$ in the formula of each step.  What happens to $v_t$, and what to $m_t$ and $\sqrt{s_t}$?
#
# </details>
#
# ## 7. A game is not a minimization
#
# A GAN has two players.  The smallest game of this kind: $x$ wants $V = xy$ small, $y$ wants it large.  The equilibrium is
# $x = y = 0$.  The gradients are $\partial V/\partial x = y$ and $\partial V/\partial y = x$, so with the rate $\eta$
#
# $$x_t = x_{t-1} - \eta\, y_{t-1}, \qquad y_t = y_{t-1} + \eta\, x_{t-1} .$$
#
# *By hand*: $x_t^2 + y_t^2 = (1 + \eta^2)(x_{t-1}^2 + y_{t-1}^2)$; multiply out and see.  So with *simultaneous* steps the
# players move away from the equilibrium, **for every learning rate**.  There is no loss that falls: they turn round it.
#
# If they *alternate*, $y$ moves with the *new* $x$:
#
# $$x_t = x_{t-1} - \eta\, y_{t-1}, \qquad y_t = y_{t-1} + \eta\, x_t .$$
#
# Then another number does not change: $E = x^2 + y^2 - \eta\,xy$.  *By hand*: write $E_t$ as $x_t^2 + y_t\,(y_t - \eta x_t)$.  The
# bracket is $y_{t-1}$, so $E_t = x_t^2 + y_{t-1}^2 + \eta\,x_t y_{t-1}$.  Write $E_{t-1}$ as $x_{t-1}(x_{t-1} - \eta y_{t-1}) +
# y_{t-1}^2$.  Here the bracket is $x_t$, and $x_{t-1} = x_t + \eta y_{t-1}$, so $E_{t-1} = x_t^2 + \eta\,x_t y_{t-1} + y_{t-1}^2$: the
# same.  For $0 < \eta < 2$ the points with one value of $E$ are an ellipse around the equilibrium.  So the players stay on
# it, and neither leave nor arrive.
#
# The *mean* of all positions does arrive.  The sum of the $y_{t-1}$ is $(x_0 - x_n)/\eta$ (add the first equation over all steps),
# and stays bounded while $n$ grows: the mean of $y$ falls as $1/n$, and in the same way that of $x$.  This is one reason to average
# a generator's weights (the option `--ema` of `minigen train`).


# %%
def game(steps, lr=0.1, momentum=0.0, alternate=True):
    """The path of the two players in min_x max_y xy: an array (steps + 1, 2)."""
    x, y, vx, vy, path = 1.0, 1.0, 0.0, 0.0, [(1.0, 1.0)]
    for _ in range(steps):
        before = x
        vx = momentum * vx + y
        x = x - lr * vx
        vy = momentum * vy + (x if alternate else before)
        y = y + lr * vy
        path.append((x, y))
    return np.array(path)


simultaneous, alternating = game(200, alternate=False), game(200)
ways = {
    "simultaneous": simultaneous,
    "alternating": alternating,
    "mean of the alternating": np.cumsum(alternating, axis=0) / np.arange(1, 202)[:, None],
    "alternating, momentum 0.5": game(200, momentum=0.5),
    "alternating, momentum 0.9": game(200, momentum=0.9),
    "alternating, momentum -0.5": game(200, momentum=-0.5),
}
for name, path in ways.items():
    radius = np.hypot(*path.T)
    print(
        f"{name:27} distance from the equilibrium after 0, 50, 200 steps: {radius[0]:.2f} {radius[50]:8.2f} {radius[200]:10.2f}"
    )
x, y = alternating.T
E = x**2 + y**2 - 0.1 * x * y
print(f"alternating: x^2 + y^2 - lr x y is {E[0]:.6f} at the start, from {E.min():.6f} to {E.max():.6f} on the way")

# %% jupyter={"source_hidden": true}
with plot.style():
    picture, axes = plot.figure(
        1, 4, size=(10, 3.1),
        caption="min over x, max over y of xy, from (1, 1), 200 steps. Star: the equilibrium. Simultaneous steps leave, alternating ones "
        "turn for ever and their mean arrives; momentum 0.9 drives the players away.",
    )  # fmt: skip
    shown = ["simultaneous", "alternating", "mean of the alternating", "alternating, momentum 0.9"]
    for place, name in zip(axes, shown):
        path = ways[name]
        path = path[np.hypot(*path.T) < 6]
        place.plot(path[:, 0], path[:, 1], linewidth=1, color=plot.COLORS["blue"])
        place.plot(1, 1, "o", color=plot.COLORS["orange"], markersize=5)
        place.plot(0, 0, "*", color=plot.COLORS["red"], markersize=9)
        place.set(xlim=(-4, 4), ylim=(-4, 4), xlabel="x", aspect="equal")
        place.set_title(name.replace("alternating, ", ""), fontsize=10)
    axes[0].set_ylabel("y")
picture

# %% [markdown]
# Momentum makes it worse: the other player's answer has changed, and the velocity still points to where it was.  In a
# minimization the old direction is a good guess.  In a game it is a quarter of a turn late.
#
# ### Exercise 7.6: how fast do they leave?
#
# Simultaneous steps with the rate `lr`, from any start.  By which factor does the distance from the equilibrium grow in
# `steps` steps?


# %%
def growth(lr, steps):
    """A number."""
    return ...


exercises.growth(growth)

# %% [markdown]
# <details><summary>Hint</summary>
#
# The formula above is for the *square* of the distance, and for one step.
#
# </details>
#
# ## 8. The same in a real GAN
#
# DCGAN's authors (Radford et al. 2016) write that $\beta_1 = 0.9$ makes their training oscillate, and that 0.5 helps.  Adam's
# $\beta_1$ is its momentum.  Here are two trainings of minigen's DCGAN (a convolutional GAN, lesson 9) on digits, 500
# steps each, equal in everything but $\beta_1$:

# %% jupyter={"source_hidden": true}
with plot.style():
    picture, axes = plot.figure(
        1, 2, size=(8.6, 5.3),
        caption="minigen train dcgan --network conv --batch-size 32 --steps 500 --beta1 0.5 (left) and --beta1 0.9 (right), seed 0: samples at the end. "
        "(Made once and stored.)",
    )  # fmt: skip
    for place, beta1 in zip(axes, ("0.5", "0.9")):
        image = Image.open(lessons.FOLDER / "pictures" / f"dcgan_beta1_{beta1}.png")
        place.imshow(image, cmap="gray", interpolation="nearest")
        place.set_title(f"beta1 = {beta1}")
        place.set_axis_off()
picture

# %% [markdown]
# With 0.9 every sample is a checkerboard; seed 1 looks the same.  The logs at step 500: `d_fake`, the mean of D's answers to
# generated images, is 0.22 and 0.27 with 0.5 (two seeds), 0.05 and 0.07 with 0.9.  D is far ahead.  Nothing in the log says
# "checkerboard"; look at the samples.
#
# (Why not $\beta_1 = 0$?  It works too, and some later GANs use it.  A little momentum still averages the noise of the
# batches.)
#
# ## Why this sign, this scale?
#
# - **Why minus the gradient?**  The gradient points where the loss rises fastest.
# - **Why $2/\lambda_{max}$ and not $1/\lambda_{max}$?**  A step may jump over the minimum, as long as it lands nearer than it started.
# - **Why $1/(1 - \beta)$ in momentum?**  It is the sum of the weights $1 + \beta + \beta^2 + \dots$ of the last gradients.
# - **Why $1 - \beta$ in Adam's means?**  There the weights sum to 1 (after the correction), so $m$ is a mean, not a sum, and a
#   change of $\beta_1$ does not change the size of the steps.
# - **Why the root of $s$?**  The unit: $m/\sqrt s$ has none, so the learning rate alone says how far a parameter moves.
# - **Why the hats?**  Both means start at 0 and are too small by the factors $1 - \beta_1^t$ and $1 - \beta_2^t$.
# - **Why is $\beta_2$ larger than $\beta_1$?**  The usual size changes slowly and must not jump with one gradient; the direction
#   should follow the loss.
# - **Why $\epsilon$ outside the root?**  There it has the unit of a gradient: gradients far below it are taken for noise.
# - **Why decoupled weight decay?**  So that it decays all weights alike.
# - **Why a smaller $\beta_1$ in a GAN?**  The other player moves; old gradients answer an old opponent.
#
# ## To a friend, in three sentences
#
# The gradient says where down is, and the optimizer says how far to go: too far in a steep direction explodes, and what is
# safe there is too short everywhere else.  Momentum adds up what stays the same from step to step, and Adam also divides each
# parameter's step by its usual size, with a correction because both of its means start at zero.  In a game there is no
# "down" for both players at once, and what helps a minimization can drive the players apart.
#
# The solutions, with their reasons, are in `lessons/solutions/07_optimizers.py`.
