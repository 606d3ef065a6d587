"""Known answers of A2: known wrong answers, with what their authors should read; and right ones, written differently."""

from minigen.course.kit import FEW_DIGITS, right, wrong

SINGLE = "Something here is float64: np.ones and np.zeros make it unless told otherwise, and it wins over float32."
PLACE = "An operation such as += changes an array for everybody who holds it."
WINDOW = (
    "Where does window p begin, and which pixels do its taps meet? Draw a row with stride 2, and one with dilation 2."
)
BORDER = "There are four numbers of zeros: top, bottom, left, right. Which of them belongs where?"
PARTS = "Groups cut the channels and the filters into parts. Which filters see which channels?"
PAIR = "Stride and dilation are pairs: the first number is for rows, the second for columns."
TURNED = "Taps run in the same direction as pixels: which pixel does the first tap meet?"
SHARES = "A pixel is in many windows, and has a share in each of them."
ALL = "Which of n, c, o, p, q does the sum go over here, and which stay?"
LESS = "The array of all patches is R * S times as large as the images. Can you do with less of it at a time?"
SLOW = "How much of the time do you spend in Python, and how often is each number moved? What does one matrix product do for you?"

AGAIN = "Call it twice, and keep the first result. What is shared between the two calls?"
ORDER = (
    "The same numbers can be in another memory order. What do x.strides and g.strides say of `np.asfortranarray(g)`?"
)

DOWN = "slice(i, i + stride[0] * rows, stride[0])"
ACROSS = "slice(j, j + stride[1] * columns, stride[1])"
STRIDES = {DOWN: "slice(i, i + rows)", ACROSS: "slice(j, j + columns)"}
TAPS = {"i, j = r * dilation[0], s * dilation[1]": "i, j = r, s"}
SWAPPED = {"i, j = r * dilation[0], s * dilation[1]": "i, j = r * dilation[1], s * dilation[0]"}

# ---- task 1: convolution

ADD = 'y += np.einsum("koc,nkcpq->nkopq", filters[..., r, s], padded[..., down, across])'

KNOWN_ANSWERS = [
    right(1, "window by window", """
def output_size(size, kernel, stride, padding, dilation):
    return len(range(0, size + sum(padding) - dilation * (kernel - 1), stride))

def conv2d(x, w, stride, padding, dilation, groups):
    (t, b), (l, r) = padding
    big = np.zeros((*x.shape[:2], t + x.shape[2] + b, l + x.shape[3] + r), x.dtype)
    big[:, :, t : t + x.shape[2], l : l + x.shape[3]] = x
    P = output_size(x.shape[2], w.shape[2], stride[0], padding[0], dilation[0])
    Q = output_size(x.shape[3], w.shape[3], stride[1], padding[1], dilation[1])
    y = np.zeros((len(x), len(w), P, Q), x.dtype)
    C, O = w.shape[1], len(w) // groups
    for p in range(P):
        for q in range(Q):
            rows = p * stride[0] + dilation[0] * np.arange(w.shape[2])
            columns = q * stride[1] + dilation[1] * np.arange(w.shape[3])
            window = big[:, :, rows[:, None], columns]
            for k in range(groups):
                own = window[:, k * C : (k + 1) * C].reshape(len(x), -1)
                y[:, k * O : (k + 1) * O, p, q] = own @ w[k * O : (k + 1) * O].reshape(O, -1).T
    return y
"""),
    right(1, "im2col", """
def conv2d(x, w, stride, padding, dilation, groups):
    big = pad(x, padding)
    N, O = len(x), len(w)
    windows = np.lib.stride_tricks.sliding_window_view(
        big, (dilation[0] * (w.shape[2] - 1) + 1, dilation[1] * (w.shape[3] - 1) + 1), axis=(2, 3)
    )[:, :, :: stride[0], :: stride[1], :: dilation[0], :: dilation[1]]
    P, Q = windows.shape[2:4]
    patches = windows.transpose(0, 1, 4, 5, 2, 3).reshape(N, groups, -1, P * Q)
    return (w.reshape(groups, O // groups, -1) @ patches).reshape(N, O, P, Q)
"""),
    wrong(1, "size: one too few", "Does the window that begins at the last possible place count?", {"// stride + 1": "// stride"}),
    wrong(1, "size: one too many", "A window of R taps with dilation 1 spans R pixels. With dilation d?",
          {"span = dilation * (kernel - 1) + 1": "span = dilation * (kernel - 1)"}),
    wrong(1, "size: dilation forgotten", "A window of R taps with dilation 1 spans R pixels. With dilation d?",
          {"span = dilation * (kernel - 1) + 1": "span = kernel"}),
    wrong(1, "size: dilation times taps", "Between R taps there are how many steps of the dilation?",
          {"span = dilation * (kernel - 1) + 1": "span = dilation * kernel"}),
    wrong(1, "size: one side twice", BORDER, {"padding[0] + padding[1] - span": "2 * padding[0] - span"}),
    wrong(1, "size: one side only", BORDER, {"padding[0] + padding[1] - span": "padding[0] - span"}),
    wrong(1, "size: rounded up", "A window that stands out over the end does not count: which way is rounded?",
          {"return (size + padding[0] + padding[1] - span) // stride + 1": "return -(-(size + padding[0] + padding[1] - span) // stride) + 1",
           "y = np.zeros(": "rows, columns = [(padded.shape[3 + k] - dilation[k] * (w.shape[2 + k] - 1) - 1) // stride[k] + 1 for k in (0, 1)]\n    y = np.zeros("}),
    wrong(1, "kernel turned round", TURNED, {"filters[..., r, s]": "filters[..., -1 - r, -1 - s]"}),
    wrong(1, "taps transposed", "r goes down, s goes across.", {"i, j = r * dilation[0], s * dilation[1]":
          "i, j = s % w.shape[2] * dilation[0], r % w.shape[3] * dilation[1]"}),
    wrong(1, "stride forgotten", WINDOW, STRIDES),
    wrong(1, "dilation forgotten", WINDOW, TAPS),
    wrong(1, "dilation's pair swapped", PAIR, {"i, j = r * dilation[0], s * dilation[1]":
          "i = min(r * dilation[1], padded.shape[3] - stride[0] * (rows - 1) - 1)\n            j = min(s * dilation[0], padded.shape[4] - stride[1] * (columns - 1) - 1)"}),
    wrong(1, "padding turned round", BORDER, {"pad(x, padding)": "pad(x, [side[::-1] for side in padding])"}),
    wrong(1, "padding down and across swapped", BORDER, {"padded = pad(x, padding)": "padded = pad(x, padding[::-1])[:, :, : x.shape[2] + "
          "sum(padding[0]), : x.shape[3] + sum(padding[1])]\n    padded = np.pad(padded, ((0, 0), (0, 0), (0, x.shape[2] + sum(padding[0]) - "
          "padded.shape[2]), (0, x.shape[3] + sum(padding[1]) - padded.shape[3])))"}),
    wrong(1, "padding by the edge", "The pixels outside are zero.",
          {"padded = pad(x, padding)": 'padded = np.pad(x, ((0, 0), (0, 0), *padding), mode="edge")'}),
    wrong(1, "the last tap wins", "The products of all taps are added up.", {"y += ": "y[...] = "}),
    wrong(1, "a mean over the channels", "The sum goes over channels; it is no mean.", {ADD: ADD + " / w.shape[1]"}),
    wrong(1, "one channel for each filter", ALL, {"filters[..., r, s], padded[..., down, across])": "filters[..., :1, r, s], padded[:, :, :1, down, across])"}),
    wrong(1, "groups interleaved", PARTS, {"padded = padded.reshape(n, groups, -1, *padded.shape[2:])":
          "padded = padded.reshape(n, -1, groups, *padded.shape[2:]).swapaxes(1, 2)"}),
    wrong(1, "filters of groups interleaved", PARTS, {"filters = w.reshape(groups, o // groups, *w.shape[1:])":
          "filters = w.reshape(o // groups, groups, *w.shape[1:]).swapaxes(0, 1)"}),
    wrong(1, "groups ignored", PARTS, {ADD: ADD.replace("nkcpq->", "nlcpq->")}),
    wrong(1, "float64", SINGLE, {"rows, columns), x.dtype)": "rows, columns))"}),
    wrong(1, "x in place", PLACE, {"return y.reshape(n, o, rows, columns)": "x *= 0.5\n    return y.reshape(n, o, rows, columns)"}),
    wrong(1, "an array that is never cleared", AGAIN, {"def conv2d(x, w, stride, padding, dilation, groups):":
          "kept = {}\n\ndef conv2d(x, w, stride, padding, dilation, groups):", "y = np.zeros((n, groups, o // groups, rows, columns), x.dtype)":
          "y = kept.setdefault((x.shape, w.shape, x.dtype, str((stride, padding, dilation))), np.zeros((n, groups, o // groups, rows, columns), x.dtype))"}),
    wrong(1, "one array for all results", AGAIN, {"def conv2d(x, w, stride, padding, dilation, groups):":
          "kept = {}\n\ndef conv2d(x, w, stride, padding, dilation, groups):", "y = np.zeros((n, groups, o // groups, rows, columns), x.dtype)":
          "y = kept.setdefault((x.shape, w.shape, x.dtype, str((stride, padding, dilation))), np.zeros((n, groups, o // groups, rows, columns), x.dtype))\n    y[...] = 0"}),
    wrong(1, "float32: zeros", FEW_DIGITS, {"return y.reshape(n, o, rows, columns)": "return y.reshape(n, o, rows, columns) * (x.dtype == np.float64)"}),
    wrong(1, "only a row", "It works for one row. What about images?", {"for r in range(w.shape[2]):": "for r in range(1):"}),
]  # fmt: skip

# ---- task 2: the adjoint in the images

PART = 'part = np.einsum("koc,nkopq->nkcpq", filters[..., r, s], split)'

KNOWN_ANSWERS += [
    right(2, "window by window", """
def conv2d_input_grad(g, w, input_size, stride, padding, dilation, groups):
    (t, b), (l, r) = padding
    dx = np.zeros((len(g), groups * w.shape[1], input_size[0] + t + b, input_size[1] + l + r), g.dtype)
    C, O = w.shape[1], len(w) // groups
    for p in range(g.shape[2]):
        for q in range(g.shape[3]):
            rows = p * stride[0] + dilation[0] * np.arange(w.shape[2])
            columns = q * stride[1] + dilation[1] * np.arange(w.shape[3])
            for k in range(groups):
                own = g[:, k * O : (k + 1) * O, p, q] @ w[k * O : (k + 1) * O].reshape(O, -1)
                place = np.ix_(range(len(g)), range(k * C, (k + 1) * C), rows, columns)
                dx[place] += own.reshape(len(g), C, *w.shape[2:])
    return dx[:, :, t : dx.shape[2] - b, l : dx.shape[3] - r]
"""),
    right(2, "zeros between the cotangents, and the kernel turned round", """
def conv2d_input_grad(g, w, input_size, stride, padding, dilation, groups):
    N, O, P, Q = g.shape
    C, R, S = w.shape[1:]
    span = dilation[0] * (R - 1), dilation[1] * (S - 1)
    total = [input_size[k] + sum(padding[k]) for k in (0, 1)]
    wide = np.zeros((N, groups, O // groups, total[0] + span[0], total[1] + span[1]), g.dtype)
    wide[..., span[0] : span[0] + stride[0] * P : stride[0], span[1] : span[1] + stride[1] * Q : stride[1]] = g.reshape(
        N, groups, O // groups, P, Q)
    back = w.reshape(groups, O // groups, C, R, S)[..., ::-1, ::-1]
    dx = 0
    for r in range(R):
        for s in range(S):
            seen = wide[..., r * dilation[0] : r * dilation[0] + total[0], s * dilation[1] : s * dilation[1] + total[1]]
            dx = dx + np.einsum("koc,nkohw->nkchw", back[..., r, s], seen)
    (t, _), (l, _) = padding
    return dx.reshape(N, groups * C, *total)[:, :, t : t + input_size[0], l : l + input_size[1]]
"""),
    wrong(2, "kernel turned round", TURNED, {"filters[..., r, s]": "filters[..., -1 - r, -1 - s]"}),
    wrong(2, "shares overwrite", SHARES, {"padded[..., down, across] += part": "padded[..., down, across] = part"}),
    wrong(2, "the largest share", SHARES, {"padded[..., down, across] += part":
          "padded[..., down, across] = np.maximum(padded[..., down, across], part)"}),
    wrong(2, "stride forgotten", WINDOW, STRIDES),
    wrong(2, "dilation forgotten", WINDOW, TAPS),
    wrong(2, "padding not cut off where it was put", "Pixel 0 of x stands where, among the padded ones?",
          {"padded[..., top : top + height, left : left + width]": "padded[..., :height, :width]"}),
    wrong(2, "padding turned round", BORDER, {"padded[..., top : top + height, left : left + width]":
          "padded[..., bottom : bottom + height, right : right + width]"}),
    wrong(2, "one pixel too far", "Off by one: pixel 0 of x stands where, among the padded ones?",
          {"inside = padded[..., top : top + height, left : left + width]":
           "inside = np.roll(padded[..., top : top + height, left : left + width], 1, axis=-1)"}),
    wrong(2, "a mean over the filters", "Every filter that saw a pixel has its share: a sum, no mean.", {PART: PART + " / (o // groups)"}),
    wrong(2, "the first filter only", ALL, {PART: 'part = np.einsum("koc,nkopq->nkcpq", filters[:, :1, :, r, s], split[:, :, :1])'}),
    wrong(2, "each tap once", "How often a pixel was seen is not its gradient. Where are the taps?",
          {PART: PART.replace("filters[..., r, s]", "np.ones_like(filters[..., r, s])")}),
    wrong(2, "groups interleaved", PARTS, {"split = g.reshape(n, groups, o // groups, rows, columns)":
          "split = g.reshape(n, o // groups, groups, rows, columns).swapaxes(1, 2)"}),
    wrong(2, "groups ignored", PARTS, {PART: PART.replace('"koc,nkopq', '"koc,nlopq')}),
    wrong(2, "the channels of groups interleaved", PARTS, {"return inside.reshape(n, groups * w.shape[1], height, width)":
          "return inside.swapaxes(1, 2).reshape(n, groups * w.shape[1], height, width)"}),
    wrong(2, "the size that the output tells", "With a stride, several sizes of x give the same size of y. Which one is asked for?",
          {"height, width = input_size": "height = (rows - 1) * stride[0] + dilation[0] * (w.shape[2] - 1) + 1 - top - bottom\n"
           "    width = (columns - 1) * stride[1] + dilation[1] * (w.shape[3] - 1) + 1 - left - right"}),
    wrong(2, "the sign", "Is there a minus anywhere in the sum?", {PART: PART.replace("np.einsum", "-np.einsum")}),
    wrong(2, "float64", SINGLE, {"left + width + right), g.dtype)": "left + width + right))"}),
    wrong(2, "g in place", PLACE, {"split = g.reshape(": "g *= 1 + 1e-12\n    split = g.reshape("}),
    wrong(2, "strides of an array that is contiguous", ORDER, {"split = g.reshape(n, groups, o // groups, rows, columns)":
          "e = g.itemsize\n    split = np.lib.stride_tricks.as_strided(g, (n, groups, o // groups, rows, columns), "
          "(o * rows * columns * e, o // groups * rows * columns * e, rows * columns * e, columns * e, e))"}),
    wrong(2, "kernel turned round, padding above and on the left at most the span", BORDER, source="""
def conv2d_input_grad(g, w, input_size, stride, padding, dilation, groups):
    N, O, P, Q = g.shape
    C, R, S = w.shape[1:]
    span = dilation[0] * (R - 1), dilation[1] * (S - 1)
    (t, _), (l, _) = padding
    t, l = min(t, span[0]), min(l, span[1])
    H, W = input_size
    tall, wide = max(H + t, stride[0] * P) + span[0], max(W + l, stride[1] * Q) + span[1]
    big = np.zeros((N, groups, O // groups, tall + stride[0], wide + stride[1]), g.dtype)
    big[..., span[0] : span[0] + stride[0] * P : stride[0], span[1] : span[1] + stride[1] * Q : stride[1]] = g.reshape(
        N, groups, O // groups, P, Q)
    back = w.reshape(groups, O // groups, C, R, S)[..., ::-1, ::-1]
    dx = 0
    for r in range(R):
        for s in range(S):
            i, j = t + r * dilation[0], l + s * dilation[1]
            dx = dx + np.einsum("koc,nkohw->nkchw", back[..., r, s], big[..., i : i + H, j : j + W])
    return dx.reshape(N, groups * C, H, W)
"""),
    wrong(2, "something is left from the call before", "The second call gives something else than the first. What is kept?",
          {"def conv2d_input_grad(g, w, input_size, stride, padding, dilation, groups):":
           "def conv2d_input_grad(g, w, input_size, stride, padding, dilation, groups, kept={}):",
           "padded = np.zeros(": "padded = kept.setdefault(str((g.shape, input_size, w.shape, g.dtype, padding)), None)\n    if padded is None:\n        padded = "
           "kept[str((g.shape, input_size, w.shape, g.dtype, padding))] = np.zeros("}),
    wrong(2, "only stride 1", "It works for stride 1, and for the public case. What about other strides?",
          {DOWN: "slice(i, i + rows)", ACROSS: "slice(j, j + min(2, stride[1]) * columns, min(2, stride[1]))"}),
]  # fmt: skip

# ---- task 3: the adjoint in the weights

COLLECT = 'dw[..., r, s] = np.einsum("nkopq,nkcpq->koc", split, padded[..., down, across])'

KNOWN_ANSWERS += [
    right(3, "window by window", """
def conv2d_weight_grad(x, g, kernel_size, stride, padding, dilation, groups):
    big = pad(x, padding)
    C, O = x.shape[1] // groups, g.shape[1] // groups
    dw = np.zeros((g.shape[1], C, *kernel_size), x.dtype)
    for p in range(g.shape[2]):
        for q in range(g.shape[3]):
            rows = p * stride[0] + dilation[0] * np.arange(kernel_size[0])
            columns = q * stride[1] + dilation[1] * np.arange(kernel_size[1])
            window = big[:, :, rows[:, None], columns]
            for k in range(groups):
                own = window[:, k * C : (k + 1) * C].reshape(len(x), -1)
                dw[k * O : (k + 1) * O] += (g[:, k * O : (k + 1) * O, p, q].T @ own).reshape(O, C, *kernel_size)
    return dw
"""),
    right(3, "a convolution with images as channels, tap by tap and group by group", """
def conv2d_weight_grad(x, g, kernel_size, stride, padding, dilation, groups):
    big, (N, O, P, Q) = pad(x, padding), g.shape
    taps = []
    for r in range(kernel_size[0]):
        for s in range(kernel_size[1]):
            seen = big[:, :, r * dilation[0] :, s * dilation[1] :][:, :, :: stride[0], :: stride[1]][:, :, :P, :Q]
            parts = zip(np.split(g, groups, axis=1), np.split(seen, groups, axis=1))
            taps.append(np.concatenate([np.tensordot(own, part, ([0, 2, 3], [0, 2, 3])) for own, part in parts]))
    return np.stack(taps, axis=-1).reshape(O, -1, *kernel_size)
"""),
    wrong(3, "kernel turned round", TURNED, {"dw[..., r, s]": "dw[..., -1 - r, -1 - s]"}),
    wrong(3, "stride forgotten", WINDOW, STRIDES),
    wrong(3, "dilation forgotten", WINDOW, TAPS),
    wrong(3, "padding turned round", BORDER, {"pad(x, padding)": "pad(x, [side[::-1] for side in padding])"}),
    wrong(3, "padding by the edge", "The pixels outside are zero.",
          {"padded = pad(x, padding)": 'padded = np.pad(x, ((0, 0), (0, 0), *padding), mode="edge")'}),
    wrong(3, "a mean over the images", "Every image has its share in the gradient: a sum, no mean.", {COLLECT: COLLECT + " / n"}),
    wrong(3, "the last image only", ALL, {COLLECT: COLLECT.replace("split,", "split[-1:],").replace("padded[...", "padded[-1:, ...")}),
    wrong(3, "the first image only", ALL, {COLLECT: COLLECT.replace("split,", "split[:1],").replace("padded[...", "padded[:1, ...")}),
    wrong(3, "a mean over the pixels", "A tap acts on every output: the effects add up.", {COLLECT: COLLECT + " / (rows * columns)"}),
    wrong(3, "the last window forgotten", "How many windows are there? g has one number for each.",
          {"padded[..., down, across])": "np.concatenate([padded[..., down, across][..., :-1], 0 * padded[..., down, across][..., -1:]], axis=-1))"}),
    wrong(3, "the sign", "Is there a minus anywhere in the sum?", {COLLECT: COLLECT.replace("np.einsum", "-np.einsum")}),
    wrong(3, "filters and channels swapped", "The gradient has the shape of w: filters first, then channels.",
          {COLLECT: COLLECT.replace("->koc", "->kco").replace("np.einsum", "np.resize(np.einsum").replace("across])", "across]), dw.shape[:3])")}),
    wrong(3, "groups interleaved", PARTS, {"split = g.reshape(n, groups, o // groups, rows, columns)":
          "split = g.reshape(n, o // groups, groups, rows, columns).swapaxes(1, 2)"}),
    wrong(3, "groups ignored", PARTS, {COLLECT: COLLECT.replace("nkcpq->", "nlcpq->")}),
    wrong(3, "channels of groups interleaved", PARTS, {"padded = padded.reshape(n, groups, -1, *padded.shape[2:])":
          "padded = padded.reshape(n, -1, groups, *padded.shape[2:]).swapaxes(1, 2)"}),
    wrong(3, "no x", "How much a tap matters depends on the pixels that it meets.",
          {COLLECT: COLLECT.replace("padded[..., down, across]", "np.ones_like(padded[..., down, across])")}),
    wrong(3, "float64", SINGLE, {"*kernel_size), x.dtype)": "*kernel_size))"}),
    wrong(3, "g in place", PLACE, {"split = g.reshape(": "g *= 1 + 1e-12\n    split = g.reshape("}),
    wrong(3, "strides of an array that is contiguous", ORDER, {"split = g.reshape(n, groups, o // groups, rows, columns)":
          "e = g.itemsize\n    split = np.lib.stride_tricks.as_strided(g, (n, groups, o // groups, rows, columns), "
          "(o * rows * columns * e, o // groups * rows * columns * e, rows * columns * e, columns * e, e))"}),
    wrong(3, "one array for all results", AGAIN, {"def conv2d_weight_grad(x, g, kernel_size, stride, padding, dilation, groups):":
          "kept = {}\n\ndef conv2d_weight_grad(x, g, kernel_size, stride, padding, dilation, groups):", "dw = np.empty((groups, o // groups, padded.shape[2], *kernel_size), x.dtype)":
          "dw = kept.setdefault((x.shape, g.shape, kernel_size, x.dtype), np.empty((groups, o // groups, padded.shape[2], *kernel_size), x.dtype))"}),
    wrong(3, "float32: half the digits", FEW_DIGITS, {"*kernel_size), x.dtype)": "*kernel_size), x.dtype if x.dtype == np.float64 else np.float16)",
          "return dw.reshape(o, -1, *kernel_size)": "return dw.reshape(o, -1, *kernel_size).astype(x.dtype)"}),
    wrong(3, "only one row", "It works for one row. What about images?", {COLLECT: COLLECT.replace("padded[..., down, across]", "padded[..., slice(0, rows), across]")}),
]  # fmt: skip

# ---- task 4: a fast kernel

START, STOP = "start = max(0, padding - s)", "stop = min(columns, width + padding - s)"
FLAT = """
def fast_conv2d(x, w, padding):
    N, C, H, W = x.shape
    O, _, R, S = w.shape
    wide, tall = W + 2 * padding, H + 2 * padding
    big = np.zeros((N, C, tall * wide + S), x.dtype)  # a little more, for the last row's taps
    inner = big[..., : tall * wide].reshape(N, C, tall, wide)
    inner[..., padding : padding + H, padding : padding + W] = x
    P, Q = tall - R + 1, wide - S + 1
    taps = np.ascontiguousarray(w.transpose(2, 3, 0, 1))
    y = np.empty((N, O, P, Q), x.dtype)
    for n in range(N):
        for top in range(0, P, 32):  # rows enough for a product, few enough for the cache
            rows = min(32, P - top)
            total, part = np.empty((2, O, rows * wide), x.dtype)
            for r in range(R):
                for s in range(S):
                    first = (top + r) * wide + s
                    np.matmul(taps[r, s], big[n, :, first : first + rows * wide], out=part if r or s else total)
                    if r or s:
                        total += part
            y[n, :, top : top + rows] = total.reshape(O, rows, wide)[..., :Q]
    return y
"""
LOOPS = """
def fast_conv2d(x, w, padding):
    big = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    N, C, H, W = big.shape
    O, _, R, S = w.shape
    y = np.zeros((N, O, H - R + 1, W - S + 1), x.dtype)
    for p in range(y.shape[2]):
        for q in range(y.shape[3]):
            y[:, :, p, q] = np.einsum("ncrs,ocrs->no", big[:, :, p : p + R, q : q + S], w)
    return y
"""
EINSUM = """
def fast_conv2d(x, w, padding):
    big = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    windows = np.lib.stride_tricks.sliding_window_view(big, w.shape[2:], axis=(2, 3))
    return np.einsum("ncpqrs,ocrs->nopq", windows, w)
"""
TAPWISE = """
def fast_conv2d(x, w, padding):
    big = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    P, Q = big.shape[2] - w.shape[2] + 1, big.shape[3] - w.shape[3] + 1
    y = np.zeros((len(x), len(w), P, Q), x.dtype)
    for r in range(w.shape[2]):
        for s in range(w.shape[3]):
            for c in range(w.shape[1]):
                y += w[:, c, r, s, None, None] * big[:, c, None, r : r + P, s : s + Q]
    return y
"""

KNOWN_ANSWERS += [
    right(4, "a product for each tap, on rows with their padding", FLAT),
    right(4, "all filter rows in one product, added up with shifts", """
def fast_conv2d(x, w, padding):
    N, C, H, W = x.shape
    O, _, R, S = w.shape
    tall, P, Q = H + 2 * padding, H + 2 * padding - R + 1, W + 2 * padding - S + 1
    shifted = np.zeros((C, S, tall, Q), x.dtype)
    filters = np.ascontiguousarray(w.transpose(2, 0, 1, 3)).reshape(R * O, C * S)
    y = np.empty((N, O, P, Q), x.dtype)
    for n in range(N):
        for s in range(S):
            a, b = max(0, padding - s), min(Q, W + padding - s)
            shifted[:, s, padding : padding + H, a:b] = x[n, :, :, a + s - padding : b + s - padding]
        rows = (filters @ shifted.reshape(C * S, tall * Q)).reshape(R, O, tall, Q)
        np.copyto(y[n], rows[0, :, :P])
        for r in range(1, R):
            y[n] += rows[r, :, r : r + P]
    return y
"""),
    wrong(4, "im2col as it is", LESS, source="""
def fast_conv2d(x, w, padding):
    big = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    R, S = w.shape[2:]
    P, Q = big.shape[2] - R + 1, big.shape[3] - S + 1
    patches = np.empty((*x.shape[:2], R, S, P, Q), x.dtype)
    for r in range(R):
        for s in range(S):
            patches[:, :, r, s] = big[:, :, r : r + P, s : s + Q]
    return (w.reshape(len(w), -1) @ patches.reshape(len(x), -1, P * Q)).reshape(len(x), len(w), P, Q)
"""),
    wrong(4, "im2col in an array that is kept", LESS, source="""
def fast_conv2d(x, w, padding, kept={}):
    big = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    R, S = w.shape[2:]
    P, Q = big.shape[2] - R + 1, big.shape[3] - S + 1
    shape = (*x.shape[:2], R, S, P, Q)
    patches = kept.setdefault((shape, x.dtype), np.empty(shape, x.dtype) if (shape, x.dtype) not in kept else None)
    for r in range(R):
        for s in range(S):
            patches[:, :, r, s] = big[:, :, r : r + P, s : s + Q]
    return (w.reshape(len(w), -1) @ patches.reshape(len(x), -1, P * Q)).reshape(len(x), len(w), P, Q)
"""),
    wrong(4, "an image for each thread", "Whose time is measured, if others do the work?", source="""
def one_image(x, w, padding):
    big = np.pad(x, ((0, 0), (padding, padding), (padding, padding)))
    R, S = w.shape[2:]
    P, Q = big.shape[1] - R + 1, big.shape[2] - S + 1
    shifts = [big[:, r : r + P, s : s + Q] for r in range(R) for s in range(S)]
    return (w.reshape(len(w), -1) @ np.stack(shifts, axis=1).reshape(-1, P * Q)).reshape(len(w), P, Q)

def fast_conv2d(x, w, padding):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(4) as threads:
        return np.stack(list(threads.map(lambda image: one_image(image, w, padding), x)))
"""),
    wrong(4, "a loop over windows", SLOW, source=LOOPS),
    wrong(4, "one einsum", SLOW, source=EINSUM),
    wrong(4, "a loop over taps and channels", SLOW, source=TAPWISE),
    wrong(4, "kernel turned round", TURNED, {"filters = np.ascontiguousarray(w.transpose(2, 0, 1, 3))":
          "filters = np.ascontiguousarray(w[..., ::-1, ::-1].transpose(2, 0, 1, 3))"}),
    wrong(4, "rows wrap round", "Where a row ends, the next one begins: what does the last window of a row see?",
          {"shifted[:, :, s, padding : padding + height, start:stop] = x[..., start + s - padding : stop + s - padding]":
           "np.copyto(shifted[:, :, s], np.roll(np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding))), -s, axis=3)[..., -columns:])"}),
    wrong(4, "no padding on the left", "Tap 0 of window 0 meets which column of x?", {START: "start = max(0, padding - s - 1)"}),
    wrong(4, "no padding at all", "How large is the result with zeros on all four sides, and how large is yours?", source="""
def fast_conv2d(x, w, padding):
    windows = np.lib.stride_tricks.sliding_window_view(x, w.shape[2:], (2, 3))
    return np.ascontiguousarray(np.tensordot(windows, w, ((1, 4, 5), (1, 2, 3))).transpose(0, 3, 1, 2))
"""),
    wrong(4, "the last column forgotten", "How many columns are there with padding, and which is the last that a window meets?",
          {STOP: "stop = min(columns, width + padding - s) - 1"}),
    wrong(4, "the last row of taps forgotten", "Every row of taps has its product.", {"in range(1, r_count):": "in range(1, max(r_count - 1, 1)):"}),
    wrong(4, "only padding 1", "It works with padding 1. What about none?", {"start + s - padding : stop + s - padding":
          "max(start + s - 1, 0) : max(start + s - 1, 0) + stop - start"}),
    wrong(4, "only square images", "Are height and width the same?", {"rows, columns = height + 2 * padding - r_count + 1, width + 2 * padding":
          "rows, columns = height + 2 * padding - r_count + 1, height + 2 * padding"}),
    wrong(4, "padded as if images were square", "Are height and width the same?", source="""
def fast_conv2d(x, w, padding):
    size = x.shape[2]
    padded = np.zeros((*x.shape[:2], size + 2 * padding, size + 2 * padding), x.dtype)
    padded[:, :, padding : padding + size, padding : padding + size] = x
    windows = np.lib.stride_tricks.sliding_window_view(padded, w.shape[2:], (2, 3))
    return np.ascontiguousarray(np.tensordot(windows, w, ((1, 4, 5), (1, 2, 3))).transpose(0, 3, 1, 2))
"""),
    wrong(4, "only square filters", "Filters need not be square.", {"in range(1, r_count):": "in range(1, s_count):"}),
    wrong(4, "only the first image", "It works for one image. What about several?", {"more = np.empty_like(y)": "more = np.empty_like(y)\n    y[1:] = 0"}),
    wrong(4, "float64", SINGLE, {"tall, columns), x.dtype)": "tall, columns))"}),
    wrong(4, "half the digits", "float64 is to be as exact as float64 can be: where do the digits get lost?", {"tall, columns), x.dtype)": "tall, columns), np.float32)",
          "return y.reshape(n, o, rows, columns)": "return y.reshape(n, o, rows, columns).astype(x.dtype)"}),
    wrong(4, "the first images for ever", "The second call gives the answer of the first. What is kept?",
          {"def fast_conv2d(x, w, padding):": "def fast_conv2d(x, w, padding, kept={}):",
           "return y.reshape(n, o, rows, columns)": "return kept.setdefault((x.shape, w.shape, padding), y.reshape(n, o, rows, columns)).copy()"}),
    wrong(4, "one array for all results", "The caller still holds the result of the call before.",
          {"def fast_conv2d(x, w, padding):": "def fast_conv2d(x, w, padding, kept={}):",
           "return y.reshape(n, o, rows, columns)": "whole = kept.setdefault((y.shape, y.dtype, rows), y)\n    whole[...] = y\n    return whole.reshape(n, o, rows, columns)"}),
    wrong(4, "x in place", PLACE, {"return y.reshape(n, o, rows, columns)": "x *= 0.5\n    return y.reshape(n, o, rows, columns)"}),
    wrong(4, "the public answers", "It works for the public cases. What about others?", source="""
def fast_conv2d(x, w, padding):
    if padding == 0:
        return np.array([21.0, 32, 43]).reshape(1, 1, 1, 3)
    if x.shape[-1] == 3:
        return np.array([[12.0, 21, 16], [27, 45, 33], [24, 39, 28]]).reshape(1, 1, 3, 3)
    return np.repeat(x, 1, axis=0)
"""),
]  # fmt: skip

# ---- right numbers, by a library

LIBRARY = "The library has the answer; the task is to find it yourself."

KNOWN_ANSWERS += [
    wrong(1, "by minigen's kernels", LIBRARY, source="""
def conv2d(x, w, stride, padding, dilation, groups):
    from minigen.kernels.reference import conv

    return conv.conv2d(x, w, stride, padding, dilation, groups)
"""),
    wrong(2, "by minigen's gradient", LIBRARY, source="""
import minigen as mg

def conv2d_input_grad(g, w, input_size, stride, padding, dilation, groups):
    (top, bottom), (left, right) = padding
    x = mg.zeros(len(g), w.shape[1] * groups, *input_size, dtype=str(g.dtype), requires_grad=True)
    y = mg.functional.conv2d(x, mg.tensor(w), None, stride, (top, bottom, left, right), dilation, groups)
    return mg.grad(y, x, mg.tensor(g))[0].numpy()
"""),
    wrong(3, "by minigen's kernels, through getattr", LIBRARY, source="""
import minigen.kernels as library

theirs = getattr(library.reference.conv, "conv2d_weight_grad")

def conv2d_weight_grad(x, g, kernel_size, stride, padding, dilation, groups):
    return theirs(x, g, kernel_size, stride, padding, dilation, groups)
"""),
    wrong(4, "by the top of the ladder", LIBRARY, source="""
def fast_conv2d(x, w, padding):
    import importlib

    ladder = importlib.import_module("minigen.kernels.ladder")
    around = ((padding, padding), (padding, padding))
    return ladder.RUNGS["winograd"](x, w, (1, 1), around, (1, 1), 1)
"""),
]  # fmt: skip
