"""Losses: what each network of a model is trained to make small, with its gradient by hand and its derivation.

========================================= ================================== ==========================================
loss                                      family (file and derivation)       for
========================================= ================================== ==========================================
`minimax_d`, `minimax_g`                  ``minimax``                        the GAN game as stated; G saturates
`non_saturating_d`, `non_saturating_g`    ``non_saturating``                 the GAN that is trained in practice
`label_smoothing_d`                       ``label_smoothing``                a discriminator that is never certain
`lsgan_d`, `lsgan_g`                      ``lsgan``                          least squares
`hinge_d`, `hinge_g`                      ``hinge``                          margins
`wgan_d`, `wgan_g`                        ``wgan``                           earth mover's distance, `clip_weights`
`wgan_gp_d`, `gradient_penalty`           ``wgan_gp``                        the same, `critic_gradients` penalized
`zero_centred_penalty`                    ``zero_centred``                   R1 and R2: `input_gradients` penalized
`feature_matching`                        ``feature_matching``               G matches mean features of D
`semi_supervised_d`                       ``semi_supervised``                D that also classifies
`reparameterize`                          ``reparameterization``             sampling that a gradient can pass
`bernoulli_log_likelihood`                ``bernoulli``                      images in [0, 1], on logits
`gaussian_log_likelihood`                 ``gaussian``                       images of any values
`gaussian_kl`, `monte_carlo_kl`           ``kl``                             how far codes are from their prior
`flow_kl`                                 ``flow``                           the same, from a prior that is learned
`negative_elbo`                           ``elbo``                           VAE
`beta_vae_loss`                           ``beta_vae``                       beta-VAE
`cvae_loss`                               ``cvae``                           conditional VAE
`iwae_loss`                               ``iwae``                           several weighted samples an image
`masked_l2`, `masked_l1`, `masked_log_l2` ``reconstruction``                 repair of images, inside a mask
`cycle_loss`                              ``cycle``                          translation without pairs
`gram_loss`, `gram_matrix`                ``gram``                           textures, style
`distillation_loss`                       ``distillation``                 a small classifier, from a trained one
`l1_penalty`, `l2_penalty`                ``regularization``                 weights
========================================= ================================== ==========================================

`GAN_LOSSES` (file ``gan``) has the pairs that ``minigen train --loss`` offers.
`derivation` gives the text that derives a family, `gradient` the gradient derived there, in plain NumPy.
"""

from .bernoulli import bernoulli_log_likelihood
from .beta_vae import beta_vae_loss
from .cvae import cvae_loss
from .cycle import cycle_loss
from .distillation import distillation_loss
from .elbo import negative_elbo
from .feature_matching import feature_matching
from .flow import flow_kl
from .gan import GAN_LOSSES, GANLoss
from .gaussian import gaussian_log_likelihood
from .gram import gram_loss, gram_matrix
from .hinge import hinge_d, hinge_g
from .iwae import iwae_loss
from .kl import gaussian_kl, monte_carlo_kl
from .label_smoothing import label_smoothing_d
from .lsgan import lsgan_d, lsgan_g
from .minimax import minimax_d, minimax_g
from .non_saturating import non_saturating_d, non_saturating_g
from .reconstruction import masked_l1, masked_l2, masked_log_l2
from .registry import LOSSES, Loss, derivation, gradient
from .regularization import l1_penalty, l2_penalty
from .reparameterization import reparameterize
from .semi_supervised import semi_supervised_d
from .wgan import clip_weights, wgan_d, wgan_g
from .wgan_gp import critic_gradients, gradient_penalty, wgan_gp_d
from .zero_centred import input_gradients, zero_centred_penalty

__all__ = [
    "GAN_LOSSES",
    "GANLoss",
    "LOSSES",
    "Loss",
    "bernoulli_log_likelihood",
    "beta_vae_loss",
    "clip_weights",
    "critic_gradients",
    "cvae_loss",
    "cycle_loss",
    "derivation",
    "distillation_loss",
    "feature_matching",
    "flow_kl",
    "gaussian_kl",
    "gaussian_log_likelihood",
    "gradient",
    "gradient_penalty",
    "gram_loss",
    "gram_matrix",
    "hinge_d",
    "hinge_g",
    "input_gradients",
    "iwae_loss",
    "l1_penalty",
    "l2_penalty",
    "label_smoothing_d",
    "lsgan_d",
    "lsgan_g",
    "masked_l1",
    "masked_l2",
    "masked_log_l2",
    "minimax_d",
    "minimax_g",
    "monte_carlo_kl",
    "negative_elbo",
    "non_saturating_d",
    "non_saturating_g",
    "reparameterize",
    "semi_supervised_d",
    "wgan_d",
    "wgan_g",
    "wgan_gp_d",
    "zero_centred_penalty",
]
