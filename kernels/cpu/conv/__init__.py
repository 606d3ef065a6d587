"""Convolution and its two adjoints on the CPU: which method serves a call, and the direct methods.

================ ====================================================================================
file             contents
================ ====================================================================================
`dispatch`       estimates the time of each method, and runs the fastest
`pixel_lanes`    direct convolution, neighboring pixels in the lanes of a vector
`channel_lanes`  direct convolution, channels in the lanes of a vector
`group_lanes`    direct convolution, groups in the lanes of a vector
`depthwise`      direct convolution, one filter for each channel
`plane_kernels`  its innermost loops
`dot_products`   weight gradients for few channels, neighboring pixels in the lanes
`products`       1 x 1 filters as one matrix product
`columns`        other filters, too, after copies of what they meet (im2col)
`padded`         geometry that they share
`packing`        filters, and sums that become filters, in the order of the direct kernels
================ ====================================================================================

Another method, Winograd (Cook-Toom) minimal filtering, is in `minigen.kernels.cpu.winograd`.
"""

from .dispatch import conv2d, conv2d_input_grad, conv2d_weight_grad

__all__ = ["conv2d", "conv2d_input_grad", "conv2d_weight_grad"]
