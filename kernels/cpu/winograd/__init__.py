"""Winograd (Cook-Toom) minimal filtering: convolution with fewer multiplications.

============== ======================================================================================
file           contents
============== ======================================================================================
`transforms`   the algorithm, its matrices A, B and G, and the code that multiplies with them
`geometry`     which pixels meet which taps: stride, padding and large filters
`kernels`      the compiled loops over tiles
`plan`         block sizes, and the three convolutions in terms of the kernels
============== ======================================================================================

Read them in this order.
"""

from .plan import SUM_BYTES, conv2d, conv2d_input_grad, conv2d_weight_grad

__all__ = ["SUM_BYTES", "conv2d", "conv2d_input_grad", "conv2d_weight_grad"]
