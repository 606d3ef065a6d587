# %% [markdown]
# # minigen in your browser
#
# This page runs Python in your browser.  Nothing is installed on your computer, and nothing that you write leaves it.
# Run a cell with Shift and Enter.  In a browser minigen is slow: there is one thread, and no compiled kernels.  What is
# here takes seconds to two minutes; a DCGAN needs Python on a computer: `python -m pip install "minigen-lab[data]"`.
#
# | notebook | what it is about |
# |---|---|
# | this page | digits from a trained model, and a GAN that learns a ring while you watch |
# | `01_autograd.ipynb` | how gradients are computed |
# | `02_gradient_checking.ipynb` | how to find out whether a gradient is right |
# | `03_convolution.ipynb` | the convolution and its gradients |
# | `07_optimizers.ipynb` | what Adam does, and why |
# | `08_gan.ipynb` | the game of two networks; all its cells take about three minutes |
# | `10_mode_collapse.ipynb` | what a generator leaves out; all its cells take about five minutes |

# %% [markdown]
# ## Digits from a trained model
#
# A CGAN makes a digit of the class that you ask for.  It was trained on 4,000 digits of MNIST and comes with minigen.

# %%
from pathlib import Path

import numpy as np

import minigen as mg

trained = mg.train.load_trained("pretrained:cgan")
labels = np.repeat(np.arange(10), 5)
noise = np.random.default_rng(0).standard_normal((50, trained.model.latent)).astype(np.float32)
digits = trained.model.decode(noise, labels)
mg.plot.show_images(digits, ncols=10, caption="Five digits of each class, made by a trained CGAN.")

# %% [markdown]
# ## A GAN that learns a ring
#
# The data: eight small groups of points on a circle.  Two dense networks play the game of lesson 8.  The picture is
# drawn anew after every 100 steps.  Blue dots are points that the generator makes.

# %%
ring = mg.data.load("ring8", count=12800)
mg.manual_seed(0)
model = mg.models.build("points", width=64, layers=2, layers_d=2, batch_norm=False, lr=2e-3)
folder = Path("/tmp/ring")  # in memory: the files on the left are slow to write
run = mg.train.Run.create(folder, {"model": "points", "data": "ring8"}, overwrite=True)
loader = mg.data.Loader(ring, batch_size=128)
live = mg.plot.Live(caption="Left: the losses. Right: points of the generator.")
result = mg.train.fit(model, loader, run, steps=500, progress=False, on_epoch=live)
print(f"steps: {result.step}")

# %%
points = model.sample(500, np.random.default_rng(1))
far = np.abs(np.linalg.norm(points, axis=1) - 1)
print(f"median distance of 500 generated points from the circle: {np.median(far):.3f}")
mg.metrics.count_modes(points, *mg.metrics.known_modes(ring))
