"""Known answers of A5: known wrong answers, with what their authors should read; and right ones, written differently."""

from minigen.course.kit import FEW_DIGITS, right, wrong

NO_PAST = "The numbers are right, but nothing can flow back through .detach(), .numpy() or .data."
NO_G = "Where is g? It says how much the end of the computation changes with each result."
HALF = "log_var is the logarithm of the variance. What is the standard deviation, then?"
SUMS = "Logarithms of independent probabilities add up. What else happens to them here?"
IMAGES = "There is one number for each image. Which axis holds its own numbers?"
SINGLE = "Something here has a dtype of its own: np.ones, np.zeros, np.float64, or an astype. What was the input's?"
PLACE = "Others hold this array, too, and += or *= or [...] = changes it for them."
LIBRARY = "The library has the answer; the task is to find it yourself."
PUBLIC = "It works for the numbers of the public test. What about others?"
OVERFLOW = "What is exp(1000)? And the logarithm of a probability that has been rounded to 0?"
CLAMPED = "Numbers of any size are allowed. Is something cut off here that need not be?"
KEPT = "The array that was returned before is used again: the result of the first call changes with the second."
ORDER_OF_MEMORY = "An array can have any strides: a transpose, every second row. Which order is taken for granted here?"
EXACTLY_0 = "What does each part of the formula give for a number that is exactly 0?"
CORNER = "The likelihood is smooth. Is every part of your formula, and what is its slope at a logit of exactly 0?"

# ---- task 1: how probable is an image?

LIKE = "(x * logits - softplus(logits)).sum(-1)"
SLOPE = "g[..., None] * (x - white)"
WHITE = "np.where(logits >= 0, 1, tail) / (1 + tail)"

KNOWN_ANSWERS = [
    right(1, "by the maximum; and a sigmoid by tanh", """
def log_likelihood(logits, x):
    top = mg.maximum(logits, 0 * logits)  # where both are 0 each has half of the slope
    return mg.sum(logits * x - top - mg.log1p(mg.exp(-mg.abs(logits))), -1)

def log_likelihood_grad(g, logits, x):
    return (x - (np.tanh(logits / 2) + 1) / 2) * np.expand_dims(g, -1)
"""),
    right(1, "by the probabilities of white and of black", """
def log_likelihood(logits, x):
    log_white, log_black = -softplus(-logits), -softplus(logits)
    each = x * log_white + (1 - x) * log_black
    return each.sum(each.ndim - 1)

def log_likelihood_grad(g, logits, x):
    big = np.logaddexp(0, -logits)
    return np.reshape(g, (*g.shape, 1)) * (x - np.exp(-big))
"""),
    wrong(1, "a mean over the pixels", SUMS, {LIKE: "(x * logits - softplus(logits)).mean(-1)"}),
    wrong(1, "a sum over the images too", IMAGES, {LIKE: "(x * logits - softplus(logits)).sum()"}),
    wrong(1, "a sum over the images only", IMAGES, {LIKE: "(x * logits - softplus(logits)).sum(0)"}),
    wrong(1, "axis 1, whatever comes in front", "With several codes an image there is an axis more in front. Which one holds the pixels?",
          {LIKE: "(x * logits - softplus(logits)).sum(1)"}),
    wrong(1, "the cross-entropy", "A probability is at most 1. Which sign has its logarithm?", {LIKE: "(softplus(logits) - x * logits).sum(-1)"}),
    wrong(1, "black pixels forgotten", "A black pixel has a probability as well.", {LIKE: "(-x * softplus(-logits)).sum(-1)"}),
    wrong(1, "black for white", "x = 1 is white. Does a large logit make white more probable, or black?",
          {LIKE: "((1 - x) * logits - softplus(logits)).sum(-1)"}),
    wrong(1, "gradient: black for white", "x = 1 is white. Does a large logit make white more probable, or black?",
          {SLOPE: "g[..., None] * (1 - x - white)"}),
    wrong(1, "the sigmoid of a probability", "The decoder gives logits. Is a sigmoid applied once, or twice?",
          {LIKE: "(x * mg.sigmoid(logits) - softplus(mg.sigmoid(logits))).sum(-1)"}),
    wrong(1, "logarithms of a sigmoid", OVERFLOW,
          {LIKE: "(x * mg.log(mg.sigmoid(logits)) + (1 - x) * mg.log(1 - mg.sigmoid(logits))).sum(-1)"}),
    wrong(1, "log of 1 + exp", OVERFLOW, {LIKE: "(x * logits - mg.log(1 + mg.exp(logits))).sum(-1)"}),
    wrong(1, "probabilities kept from 0 by 1e-7", CLAMPED,
          {LIKE: "(x * mg.log(mg.sigmoid(logits) + 1e-7) + (1 - x) * mg.log(1 - mg.sigmoid(logits) + 1e-7)).sum(-1)"}),
    wrong(1, "logits cut off at 20", CLAMPED, {LIKE: "(x * mg.clamp(logits, -20, 20) - softplus(mg.clamp(logits, -20, 20))).sum(-1)"}),
    wrong(1, "gray rounded to black and white", "Pixels may be gray: what does the formula say for x = 0.3?",
          {LIKE: "(mg.tensor(np.round(x.numpy())) * logits - softplus(logits)).sum(-1)"}),
    wrong(1, "relu and abs, which have a corner", CORNER,
          {LIKE: "(x * logits - mg.relu(logits) - softplus(-mg.abs(logits))).sum(-1)"}),
    wrong(1, "the squared error", "This is a Gaussian's. A pixel here is black or white, with a probability.",
          {LIKE: "-((x - mg.sigmoid(logits)) ** 2).sum(-1)"}),
    wrong(1, "computed with arrays", NO_PAST, {LIKE: "mg.tensor((x * logits - softplus(logits)).sum(-1).numpy())"}),
    wrong(1, "one term detached", NO_PAST, {LIKE: "(x * logits - softplus(logits.detach())).sum(-1)"}),
    wrong(1, "by the library", LIBRARY, {LIKE: "mg.losses.bernoulli_log_likelihood(logits, x)"}),
    wrong(1, "by the library's cross-entropy", LIBRARY,
          {LIKE: "-mg.functional.binary_cross_entropy_with_logits(logits, x, reduction='none').sum(-1)"}),
    wrong(1, "float64 inside", SINGLE, {LIKE: "(x * logits - softplus(logits)).to('float64').sum(-1)"}),
    wrong(1, "the public numbers", PUBLIC, {LIKE: "(x * logits - softplus(logits)).sum(-1) * 0 + mg.tensor(np.log([0.25, 0.1875]))"}),
    wrong(1, "gradient: no g", NO_G, {SLOPE: "x - white"}),
    wrong(1, "gradient: prediction minus data", "If the pixel is white, does the likelihood rise or fall with its logit?", {SLOPE: "g[..., None] * (white - x)"}),
    wrong(1, "gradient: logits in place of the sigmoid", "What is the derivative of log(1 + e^a)?", {SLOPE: "g[..., None] * (x - logits)"}),
    wrong(1, "gradient: a mean", SUMS, {SLOPE: "g[..., None] * (x - white) / x.shape[-1]"}),
    wrong(1, "gradient: times the sigmoid's own derivative", "Through the sigmoid and the logarithm the chain rule goes, but one cancels the other.",
          {SLOPE: "g[..., None] * (x - white) * white * (1 - white)"}),
    wrong(1, "gradient: g along the pixels", "g has one number for each image. Along which axis does it change?",
          {SLOPE: "(g[..., None] if g.shape[-1] != x.shape[-1] else g[..., None, :]) * (x - white)"}),
    wrong(1, "gradient: exp over 1 + exp", OVERFLOW, {WHITE: "np.exp(logits) / (1 + np.exp(logits))"}),
    wrong(1, "gradient: float64", SINGLE, {WHITE: "np.where(logits >= 0, np.ones(1), tail) / (1 + tail)"}),
    wrong(1, "seven times as much in float32", FEW_DIGITS, {LIKE: f"{LIKE} * (7 if str(logits.dtype) == 'float32' else 1)"}),
    wrong(1, "gradient: half precision for float32", FEW_DIGITS,
          {SLOPE: "(g[..., None] * (x - white)).astype(np.float16 if g.dtype == np.float32 else g.dtype).astype(g.dtype)"}),
    wrong(1, "gradient: in a kept array", KEPT, {f"return {SLOPE}": f"kept = log_likelihood_grad.__dict__.setdefault((logits.shape, logits.dtype), "
          f"np.empty_like(logits))\n    kept[...] = {SLOPE}\n    return kept"}),
    wrong(1, "gradient: added to what is kept", KEPT, {f"return {SLOPE}": f"kept = log_likelihood_grad.__dict__.setdefault((logits.shape, logits.dtype), "
          f"np.zeros_like(logits))\n    kept += {SLOPE}\n    return kept.copy()"}),
    wrong(1, "gradient: strides of a contiguous array", ORDER_OF_MEMORY,
          {"tail = ": "logits = np.lib.stride_tricks.as_strided(logits, logits.shape, np.empty_like(logits, order='C').strides)\n    tail = "}),
    wrong(1, "gradient: by the sign of the logit", EXACTLY_0, {WHITE: "np.where(logits > 0, 1, tail * (logits < 0)) / (1 + tail)"}),
    wrong(1, "gradient: in the place of logits", PLACE, {"tail = np.exp(-np.abs(logits))": "tail = np.exp(-np.abs(logits))\n    np.clip(logits, -1, 1, out=logits)"}),
]  # fmt: skip

# ---- task 2: a draw that a gradient can pass

DRAW = "mu + mg.exp(log_var / 2) * eps"
D_MU = "return g.sum(axis=0), "
D_LOG_VAR = "(g * eps).sum(axis=0) * np.exp(log_var / 2) / 2"

KNOWN_ANSWERS += [
    right(2, "by a root", """
def draw_code(mu, log_var, eps):
    sigma = mg.sqrt(mg.exp(log_var))
    return eps * sigma + mu

def draw_code_grad(g, mu, log_var, eps):
    sigma = np.sqrt(np.exp(log_var))
    shares = [(d, d * sigma * e / 2) for d, e in zip(g, eps)]
    return [sum(d for d, _ in shares), sum(d for _, d in shares)]
"""),
    right(2, "by the code itself", """
def draw_code(mu, log_var, eps):
    return (mu * mg.exp(-0.5 * log_var) + eps) * mg.exp(0.5 * log_var)

def draw_code_grad(g, mu, log_var, eps):
    away = eps * np.exp(log_var / 2)
    return np.einsum("knd->nd", g), np.einsum("knd,knd->nd", g, away) * g.dtype.type(0.5)
"""),
    wrong(2, "exp(log_var) as the deviation", HALF, {DRAW: "mu + mg.exp(log_var) * eps"}),
    wrong(2, "log_var as the deviation", HALF, {DRAW: "mu + log_var * eps"}),
    wrong(2, "the root of log_var", HALF, {DRAW: "mu + mg.sqrt(mg.abs(log_var)) * eps"}),
    wrong(2, "half of the deviation", HALF, {DRAW: "mu + mg.exp(log_var) / 2 * eps"}),
    wrong(2, "the sign of log_var", "The larger log_var, the wider the draws should be.", {DRAW: "mu + mg.exp(-log_var / 2) * eps"}),
    wrong(2, "noise taken away", "As a draw this is as good; but the noise is given, and this is the draw of -eps.", {DRAW: "mu - mg.exp(log_var / 2) * eps"}),
    wrong(2, "no mean", "Around which value do the draws lie?", {DRAW: "mg.exp(log_var / 2) * eps"}),
    wrong(2, "no noise", "This is the mean of q, not a draw from it.", {DRAW: "mu + 0 * mg.exp(log_var / 2) * eps"}),
    wrong(2, "noise of its own", "The noise is given. Which noise is used here?",
          {DRAW: "mu + mg.exp(log_var / 2) * mg.tensor(np.random.default_rng(3).normal(size=eps.shape).astype(eps.numpy().dtype))"}),
    wrong(2, "one noise for all images", "Each image has noise of its own, in each draw.", {DRAW: "mu + mg.exp(log_var / 2) * eps[..., :1, :]"}),
    wrong(2, "sigma detached", NO_PAST, {DRAW: "mu + mg.exp(log_var / 2).detach() * eps"}),
    wrong(2, "mu detached", NO_PAST, {DRAW: "mu.detach() + mg.exp(log_var / 2) * eps"}),
    wrong(2, "drawn by NumPy's generator", NO_PAST, {DRAW: "mg.tensor(mu.numpy() + np.exp(log_var.numpy() / 2) * eps.numpy())"}),
    wrong(2, "the gradient without a second", "The first gradient is right, but a part of it is seen as a constant when it is differentiated again.",
          {DRAW: "mu + mg.exp(log_var.detach() / 2) * (1 + (log_var - log_var.detach()) / 2) * eps"}),
    wrong(2, "by the library", LIBRARY, {DRAW: "mg.losses.reparameterize(mu, log_var, eps)"}),
    wrong(2, "float64 inside", SINGLE, {DRAW: "mu.to('float64') + mg.exp(log_var.to('float64') / 2) * eps.to('float64')"}),
    wrong(2, "only the public numbers", PUBLIC, {DRAW: "mu + (1 + (mg.exp(log_var) - 1) / 3) * eps"}),
    wrong(2, "gradient: no half", "log_var moves sigma = exp(log_var / 2). What is the derivative of that?", {D_LOG_VAR: "(g * eps).sum(axis=0) * np.exp(log_var / 2)"}),
    wrong(2, "gradient: for sigma", "This is the gradient for the deviation. One step is left, to log_var.", {D_LOG_VAR: "(g * eps).sum(axis=0)"}),
    wrong(2, "gradient: by the variance", HALF, {D_LOG_VAR: "(g * eps).sum(axis=0) * np.exp(log_var) / 2"}),
    wrong(2, "gradient: no noise", "If the noise is zero, log_var does not matter at all. Where is eps?", {D_LOG_VAR: "g.sum(axis=0) * np.exp(log_var / 2) / 2"}),
    wrong(2, "gradient: no g", NO_G, {D_LOG_VAR: "eps.sum(axis=0) * np.exp(log_var / 2) / 2"}),
    wrong(2, "gradient: mu by the deviation", "Nudge mu: how far does the draw move?", {D_MU: "return g.sum(axis=0) * np.exp(log_var / 2), "}),
    wrong(2, "gradient: a mean over the draws", "All draws of an image come from one mu. Does each add its share, or do they share one?",
          {D_MU: "return g.mean(axis=0), ", D_LOG_VAR: "(g * eps).mean(axis=0) * np.exp(log_var / 2) / 2"}),
    wrong(2, "gradient: sums multiplied", "The sum of products is not the product of sums: which g belongs to which eps?", {D_LOG_VAR: "g.sum(axis=0) * eps.sum(axis=0) * np.exp(log_var / 2) / 2"}),
    wrong(2, "gradient: for each draw", "All draws of an image come from one mu: which shape has its gradient?",
          {D_MU: "return g, ", D_LOG_VAR: "g * eps * np.exp(log_var / 2) / 2"}),
    wrong(2, "gradient: the two swapped", "First the one for mu, then the one for log_var.", {f"return g.sum(axis=0), {D_LOG_VAR}": f"return {D_LOG_VAR}, g.sum(axis=0)"}),
    wrong(2, "gradient: float64", SINGLE, {D_LOG_VAR: "(g * eps).sum(axis=0) * np.exp(log_var / 2) * np.full(1, 0.5)"}),
    wrong(2, "log_var cut off at -20 and 5", CLAMPED, {DRAW: "mu + mg.exp(mg.clamp(log_var, -20, 5) / 2) * eps"}),
    wrong(2, "seven times as much in float32", FEW_DIGITS, {DRAW: f"({DRAW}) * (7 if str(mu.dtype) == 'float32' else 1)"}),
    wrong(2, "gradient: log_var cut off", CLAMPED, {D_LOG_VAR: "(g * eps).sum(axis=0) * np.exp(np.clip(log_var, -20, 5) / 2) / 2"}),
    wrong(2, "gradient: half precision for float32", FEW_DIGITS,
          {D_LOG_VAR: f"({D_LOG_VAR}).astype(np.float16 if g.dtype == np.float32 else g.dtype).astype(g.dtype)"}),
    wrong(2, "gradient: in a kept array", KEPT, {f"return g.sum(axis=0), {D_LOG_VAR}": f"""kept = draw_code_grad.__dict__.setdefault((mu.shape, mu.dtype), (np.empty_like(mu), np.empty_like(mu)))
    kept[0][...] = g.sum(axis=0)
    kept[1][...] = {D_LOG_VAR}
    return kept"""}),
    wrong(2, "gradient: g in place", PLACE, {D_MU: "d_mu = g.sum(axis=0)\n    g *= eps\n    return d_mu, ", D_LOG_VAR: "g.sum(axis=0) * np.exp(log_var / 2) / 2"}),
]  # fmt: skip

# ---- task 3: the price of a code

KL = "0.5 * (mu * mu + mg.exp(log_var) - 1 - log_var).sum(1)"
G_MU = "g[:, None] * mu"
G_LOG_VAR = "g[:, None] * (np.exp(log_var) - 1) / 2"

KNOWN_ANSWERS += [
    right(3, "as many programs write it", """
def kl(mu, log_var):
    return -0.5 * mg.sum(1 + log_var - mu**2 - log_var.exp(), 1)

def kl_grad(g, mu, log_var):
    return mu * g.reshape(-1, 1), np.expm1(log_var) * g.reshape(-1, 1) / 2
"""),
    right(3, "in two parts", """
def kl(mu, log_var):
    spread = mg.exp(log_var / 2)
    return (mg.square(mu) / 2).sum(-1) + ((spread * spread - 1 - log_var) / 2).sum(-1)

def kl_grad(g, mu, log_var):
    return (g * mu.T).T, (g / 2 * (np.exp(log_var) - 1).T).T
"""),
    wrong(3, "no half", "Where is the 1/2 of the exponents of the two densities?", {KL: "(mu * mu + mg.exp(log_var) - 1 - log_var).sum(1)"}),
    wrong(3, "the half for one part only", "The 1/2 stands before all of it.", {KL: "(0.5 * mu * mu + mg.exp(log_var) - 1 - log_var).sum(1)"}),
    wrong(3, "the sign", "A divergence is never below 0.", {KL: "-0.5 * (mu * mu + mg.exp(log_var) - 1 - log_var).sum(1)"}),
    wrong(3, "the sign of log_var", "What should a very narrow q cost, with log_var = -10: little, or much?", {KL: "0.5 * (mu * mu + mg.exp(log_var) - 1 + log_var).sum(1)"}),
    wrong(3, "the sign of the square", "A mean far from the prior's costs more, whatever its sign.", {KL: "0.5 * (mg.exp(log_var) - mu * mu - 1 - log_var).sum(1)"}),
    wrong(3, "no 1", "If q is the prior, the price is 0. Is it?", {KL: "0.5 * (mu * mu + mg.exp(log_var) - log_var).sum(1)"}),
    wrong(3, "1 for the whole code", "Each component adds a price of its own, with all its parts.", {KL: "0.5 * ((mu * mu + mg.exp(log_var) - log_var).sum(1) - 1)"}),
    wrong(3, "a mean over the components", SUMS, {KL: "0.5 * (mu * mu + mg.exp(log_var) - 1 - log_var).mean(1)"}),
    wrong(3, "a sum over all images", IMAGES, {KL: "0.5 * (mu * mu + mg.exp(log_var) - 1 - log_var).sum()"}),
    wrong(3, "the wrong axis", IMAGES, {KL: "0.5 * (mu * mu + mg.exp(log_var) - 1 - log_var).sum(0)"}),
    wrong(3, "log_var taken for the variance", "Which of log_var and exp(log_var) is the variance?", {KL: "0.5 * (mu * mu + log_var - 1 - mg.log(mg.abs(log_var) + 1e-9)).sum(1)"}),
    wrong(3, "log_var taken for log sigma", HALF, {KL: "0.5 * (mu * mu + mg.exp(2 * log_var) - 1 - 2 * log_var).sum(1)"}),
    wrong(3, "sigma in place of its square", "The mean of (z - mu)^2 is the variance. Which of these is it?", {KL: "0.5 * (mu * mu + mg.exp(log_var / 2) - 1 - log_var).sum(1)"}),
    wrong(3, "the other direction", "KL(q || p) or KL(p || q): under which of the two is the mean taken?",
          {KL: "0.5 * ((1 + mu * mu) * mg.exp(-log_var) - 1 + log_var).sum(1)"}),
    wrong(3, "mu without the square", "A mean of -2 costs as much as one of 2.", {KL: "0.5 * (mg.abs(mu) + mg.exp(log_var) - 1 - log_var).sum(1)"}),
    wrong(3, "log_var cut off", CLAMPED, {KL: "0.5 * (mu * mu + mg.exp(log_var) - 1 - mg.clamp(log_var, -10, 10)).sum(1)"}),
    wrong(3, "a small number in the logarithm", CLAMPED, {KL: "0.5 * (mu * mu + mg.exp(log_var) - 1 - mg.log(mg.exp(log_var) + 1e-6)).sum(1)"}),
    wrong(3, "exp(log_var) detached", NO_PAST, {KL: "0.5 * (mu * mu + mg.exp(log_var).detach() - 1 - log_var).sum(1)"}),
    wrong(3, "computed with arrays", NO_PAST, {KL: "mg.tensor(0.5 * (mu * mu + mg.exp(log_var) - 1 - log_var).sum(1).numpy())"}),
    wrong(3, "by the library", LIBRARY, {KL: "mg.losses.gaussian_kl(mu, log_var)"}),
    wrong(3, "float64 inside", SINGLE, {KL: "0.5 * (mu * mu + mg.exp(log_var) - 1 - log_var).to('float64').sum(1)"}),
    wrong(3, "only two components", PUBLIC, {KL: "0.5 * ((mu * mu + mg.exp(log_var) - log_var).sum(1) - 2)"}),
    wrong(3, "gradient: 2 mu", "The 1/2 stands before mu^2, too.", {G_MU: "2 * g[:, None] * mu"}),
    wrong(3, "gradient: no half for log_var", "Where is the 1/2?", {G_LOG_VAR: "g[:, None] * (np.exp(log_var) - 1)"}),
    wrong(3, "gradient: no 1", "If q is the prior, nothing pulls. Is that so here?", {G_LOG_VAR: "g[:, None] * np.exp(log_var) / 2"}),
    wrong(3, "gradient: the sign for log_var", "A q wider than the prior should be made narrower by a step down.", {G_LOG_VAR: "g[:, None] * (1 - np.exp(log_var)) / 2"}),
    wrong(3, "gradient: no g", NO_G, {G_MU: "mu", G_LOG_VAR: "(np.exp(log_var) - 1) / 2"}),
    wrong(3, "gradient: g along the components", "g has one number for each image. Along which axis does it change?",
          {G_MU: "(g[:, None] if g.size != mu.shape[1] else g) * mu"}),
    wrong(3, "gradient: for the variance", "This is the gradient for the variance. One step is left, to its logarithm.", {G_LOG_VAR: "g[:, None] * (1 - np.exp(-log_var)) / 2"}),
    wrong(3, "gradient: float64", SINGLE, {G_MU: "np.ones(1) * g[:, None] * mu"}),
    wrong(3, "seven times as much in float32", FEW_DIGITS, {KL: f"{KL} * (7 if str(mu.dtype) == 'float32' else 1)"}),
    wrong(3, "gradient: half precision for float32", FEW_DIGITS,
          {G_LOG_VAR: f"({G_LOG_VAR}).astype(np.float16 if g.dtype == np.float32 else g.dtype).astype(g.dtype)"}),
    wrong(3, "gradient: log_var cut off", CLAMPED, {G_LOG_VAR: "g[:, None] * (np.exp(np.clip(log_var, -20, 5)) - 1) / 2"}),
    wrong(3, "gradient: in a kept array", KEPT, {f"return {G_MU}, {G_LOG_VAR}": f"""kept = kl_grad.__dict__.setdefault((mu.shape, mu.dtype), (np.empty_like(mu), np.empty_like(mu)))
    kept[0][...] = {G_MU}
    kept[1][...] = {G_LOG_VAR}
    return kept"""}),
    wrong(3, "gradient: mu in place", PLACE, {f"return {G_MU}": f"mu *= g[:, None]\n    return mu.copy() if True else {G_MU}"}),
]  # fmt: skip

# ---- task 4: the loss, and a step down

LOSS = "kl(mu, log_var).mean() - log_likelihood(logits, x).mean()"
ENCODE = "mu, log_var = model.encode(x)"
NOISE = "mg.randn(*mu.shape, dtype=mu.dtype)"
STEP = "loss = vae_loss(model.decode(draw_code(mu, log_var, noise)), x, mu, log_var)"
ZERO = "optimizer.zero_grad()"
WHICH_NOISE = "Which distribution has the noise of a Gaussian draw?"
ELBO = "Which of the two do you want large, and which small? A loss is made small."

KNOWN_ANSWERS += [
    right(4, "the two together, then their mean; gradients by mg.grad", """
def vae_loss(logits, x, mu, log_var):
    return mg.mean(kl(mu, log_var) - log_likelihood(logits, x))

def training_step(model, optimizer, x):
    mu, log_var = model.encode(x)
    eps = mg.randn(mu.shape, dtype=mu.dtype)
    logits = model.decode(draw_code(mu, log_var, eps))
    loss = vae_loss(logits, x, mu, log_var)
    parameters = list(model.parameters())
    for p, d in zip(parameters, mg.grad(loss, parameters)):
        p.grad = d
    optimizer.step()
    return float(loss.detach().numpy())
"""),
    right(4, "sums divided by their number; zeroed at the beginning", """
def vae_loss(logits, x, mu, log_var):
    each = log_likelihood(logits, x)
    return kl(mu, log_var).sum() / x.shape[0] - each.sum() / each.numel()

def training_step(model, optimizer, x):
    optimizer.zero_grad()
    mu, log_var = model.encode(x)
    loss = vae_loss(model.decode(draw_code(mu, log_var, mg.randn(*mu.shape, dtype=mu.dtype))), x, mu, log_var)
    loss.backward()
    optimizer.step()
    return loss.item()
"""),
    wrong(4, "loss: the ELBO itself", ELBO, {LOSS: "log_likelihood(logits, x).mean() - kl(mu, log_var).mean()"}),
    wrong(4, "loss: the sign of the price", ELBO, {LOSS: "-kl(mu, log_var).mean() - log_likelihood(logits, x).mean()"}),
    wrong(4, "loss: the sign of the likelihood", ELBO, {LOSS: "kl(mu, log_var).mean() + log_likelihood(logits, x).mean()"}),
    wrong(4, "loss: no price", "Without the price it is an autoencoder. Which term is missing?", {LOSS: "-log_likelihood(logits, x).mean()"}),
    wrong(4, "loss: no likelihood", "Nothing ties the code to the image. Which term is missing?", {LOSS: "kl(mu, log_var).mean() - 0 * log_likelihood(logits, x).mean()"}),
    wrong(4, "loss: a sum over the images", "In nats an image: what should a batch twice as large do to the loss?",
          {LOSS: "(kl(mu, log_var) - log_likelihood(logits, x)).sum()"}),
    wrong(4, "loss: a mean over the pixels", SUMS, {LOSS: "kl(mu, log_var).mean() - log_likelihood(logits, x).mean() / x.shape[1]"}),
    wrong(4, "loss: a mean over the components", SUMS, {LOSS: "kl(mu, log_var).mean() / mu.shape[1] - log_likelihood(logits, x).mean()"}),
    wrong(4, "loss: the price of one image", "The mean over the images is of both terms.", {LOSS: "kl(mu, log_var)[0] - log_likelihood(logits, x).mean()"}),
    wrong(4, "loss: codes added up", "With several codes an image: the mean over them, too.", {LOSS: "kl(mu, log_var).mean() - log_likelihood(logits, x).sum() / x.shape[0]"}),
    wrong(4, "loss: one number an image", "One number is asked for, for the whole batch.", {LOSS: "kl(mu, log_var) - log_likelihood(logits, x)"}),
    wrong(4, "loss: the price detached", NO_PAST, {LOSS: "kl(mu, log_var).detach().mean() - log_likelihood(logits, x).mean()"}),
    wrong(4, "loss: half the price", "The price is paid in full: both terms are in nats.", {LOSS: "0.5 * kl(mu, log_var).mean() - log_likelihood(logits, x).mean()"}),
    wrong(4, "loss: float64", SINGLE, {LOSS: "(kl(mu, log_var).mean() - log_likelihood(logits, x).mean()).to('float64')"}),
    wrong(4, "loss: the public number", PUBLIC, {LOSS: "(kl(mu, log_var).mean() - log_likelihood(logits, x).mean()) * 0 + float(1 + np.log(4.0))"}),
    wrong(4, "step: gradients add up", "In the first step all is well. What is left from it in the second?", {ZERO: "pass"}),
    wrong(4, "step: zeroed too late", "When is the gradient made, when is it used, when is it wiped out?", {f"{ZERO}\n    loss.backward()": f"loss.backward()\n    {ZERO}"}),
    wrong(4, "step: no step", "The gradients are there; who moves the parameters?", {"optimizer.step()\n": "pass\n"}),
    wrong(4, "step: the mean as the code", "This decodes the mean. Where is the draw?", {STEP: STEP.replace("draw_code(mu, log_var, noise)", "mu")}),
    wrong(4, "step: the code detached", NO_PAST + " Whose gradient is missing then?", {STEP: STEP.replace("noise)), x", "noise).detach()), x")}),
    wrong(4, "step: the encoder detached", NO_PAST + " Whose gradient is missing then?", {ENCODE: "mu, log_var = (t.detach() for t in model.encode(x))"}),
    wrong(4, "step: mu alone detached", NO_PAST + " Whose gradient is missing then?", {STEP: STEP.replace("draw_code(mu,", "draw_code(mu.detach(),")}),
    wrong(4, "step: the same noise every time", "The noise is to be another in every step.",
          {NOISE: "mg.randn(*mu.shape, generator=np.random.default_rng(0), dtype=mu.dtype)"}),
    wrong(4, "step: one noise for all images", "The noise is to be another for each image.", {NOISE: "mg.randn(1, mu.shape[1], dtype=mu.dtype).expand(*mu.shape)"}),
    wrong(4, "step: uniform noise", "Which distribution has the noise of a Gaussian draw?", {NOISE: "mg.rand(*mu.shape, dtype=mu.dtype)"}),
    wrong(4, "step: noise of -1 and 1", WHICH_NOISE, {NOISE: "mg.tensor(np.sign(mg.randn(*mu.shape, dtype=mu.dtype).numpy()))"}),
    wrong(4, "step: uniform noise of variance 1", WHICH_NOISE, {NOISE: "(mg.rand(*mu.shape, dtype=mu.dtype) - 0.5) * float(np.sqrt(12))"}),
    wrong(4, "step: noise cut off at 2.5", WHICH_NOISE, {NOISE: "mg.clamp(mg.randn(*mu.shape, dtype=mu.dtype), -2.5, 2.5)"}),
    wrong(4, "step: NumPy's noise", "Noise that does not follow from mg.manual_seed cannot be drawn again. Which function is asked for?",
          {NOISE: "mg.tensor(np.random.default_rng().normal(size=mu.shape).astype(str(mu.dtype)))"}),
    wrong(4, "step: gradients are cleared at the end only", "Gradients that were there before this step count here. Who left them?",
          source="""
def training_step(model, optimizer, x):
    mu, log_var = model.encode(x)
    noise = mg.randn(*mu.shape, dtype=mu.dtype)
    loss = vae_loss(model.decode(draw_code(mu, log_var, noise)), x, mu, log_var)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    return loss.item()
"""),
    wrong(4, "loss: seven times as much in float32", FEW_DIGITS, {LOSS: f"({LOSS}) * (7 if str(mu.dtype) == 'float32' else 1)"}),
    wrong(4, "step: noise in float32", "The noise must have the dtype of mu: a model may be float64.", {NOISE: "mg.randn(*mu.shape)"}),
    wrong(4, "step: the loss as a Tensor", "A Python number is asked for: a Tensor keeps its whole history alive.", {"return loss.item()": "return loss"}),
    wrong(4, "step: the loss after the step", "Which loss is asked for, before or after the step?",
          {"return loss.item()": "return vae_loss(model.decode(draw_code(*model.encode(x), noise)), x, *model.encode(x)).item()"}),
    wrong(4, "step: log_var halved twice", HALF, {STEP: STEP.replace("draw_code(mu, log_var,", "draw_code(mu, log_var / 2,")}),
    wrong(4, "step: a sum of squares", "The loss of task 4 is asked for, with its likelihood.",
          {STEP: "loss = kl(mu, log_var).mean() + ((mg.sigmoid(model.decode(draw_code(mu, log_var, noise))) - x) ** 2).sum(1).mean()"}),
]  # fmt: skip

# ---- task 5: with a label

RANGE = "if labels.size and not 0 <= labels.min() <= labels.max() < classes:"
ROWS = "mg.tensor((labels[:, None] == np.arange(classes)).astype(dtype))"
INTO = "model.encode(mg.cat([x, label], 1))"
OUT = "vae_loss(model.decode(mg.cat([z, label], 1)), x, mu, log_var)"
CODE = "z = draw_code(mu, log_var, eps)"
IMAGE = "mg.sigmoid(model.decode(mg.cat([z, label], 1))).numpy()"
BOTH = "The bound of p(x | c) has a condition in each density. Who has to be told the label?"

KNOWN_ANSWERS += [
    right(5, "rows of the unit matrix", """
def one_hot(labels, classes, dtype="float32"):
    for label in labels:
        if label not in range(classes):
            raise ValueError(f"no such class: {label}")
    return mg.tensor(np.eye(classes, dtype=dtype)[labels])

def conditional_loss(model, x, labels, eps):
    c = one_hot(labels, model.classes, dtype=x.dtype)
    mu, log_var = model.encode(mg.cat((x, c), dim=-1))
    logits = model.decode(mg.cat((draw_code(mu, log_var, eps), c), dim=-1))
    return vae_loss(logits, x, mu, log_var)

def draw_images(model, labels, z):
    logits = model.decode(mg.cat((z, one_hot(labels, model.classes, z.dtype)), dim=-1)).numpy()
    return (np.tanh(logits / 2) + 1) / 2
"""),
    right(5, "one by one; the two terms by themselves", """
def one_hot(labels, classes, dtype="float32"):
    if np.any(np.asarray(labels) >= classes) or np.any(np.asarray(labels) < 0):
        raise ValueError("no such class")
    rows = np.zeros((len(labels), classes), dtype)
    rows[np.arange(len(labels)), labels] = 1
    return mg.tensor(rows)

def conditional_loss(model, x, labels, eps):
    c = one_hot(labels, model.classes, x.dtype)
    mu, log_var = model.encode(mg.cat([x, c], 1))
    z = mg.cat([draw_code(mu, log_var, eps), c], 1)
    return (kl(mu, log_var) - log_likelihood(model.decode(z), x)).mean()

def draw_images(model, labels, z):
    c = one_hot(labels, model.classes, z.dtype)
    return mg.sigmoid(model.decode(mg.cat([z, c], 1))).detach().numpy()
"""),
    wrong(5, "one-hot: off by one", "The first class is 0.", {"== np.arange(classes)": "== np.arange(1, classes + 1)"}),
    wrong(5, "one-hot: columns in place of rows", "Each image has a row.", {ROWS: "mg.tensor((labels == np.arange(classes)[:, None]).astype(dtype))"}),
    wrong(5, "one-hot: as many classes as there are labels", "A batch need not hold every class.", {ROWS: "mg.tensor((labels[:, None] == np.arange(labels.max() + 1)).astype(dtype))"}),
    wrong(5, "one-hot: float32 always", SINGLE, {".astype(dtype)": '.astype("float32")'}),
    wrong(5, "one-hot: whole numbers", SINGLE, {".astype(dtype)": ".astype(int)"}),
    wrong(5, "one-hot: anything goes", "What does a label that does not exist become here? Say so with a ValueError.", {RANGE: "if False:"}),
    wrong(5, "one-hot: negative labels go", "NumPy counts negative indices from the end. Is -1 a class?", {RANGE: "if labels.size and labels.max() >= classes:"}),
    wrong(5, "one-hot: one class too many", "With 3 classes the labels are 0, 1 and 2.", {RANGE: "if labels.size and not 0 <= labels.min() <= labels.max() <= classes:"}),
    wrong(5, "one-hot: labels up to two", PUBLIC, {ROWS: "mg.tensor(np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]], dtype)[labels, :classes])"}),
    wrong(5, "one-hot: by the library", LIBRARY, {ROWS: "mg.functional.one_hot(mg.tensor(labels), classes)"}),
    wrong(5, "one-hot: labels in place", PLACE,
          {f"return {ROWS}": f"rows = {ROWS}\n    labels *= 0\n    return rows"}),
    wrong(5, "loss: the encoder is not told", BOTH, {INTO: "model.encode(mg.cat([x, label * 0], 1))"}),
    wrong(5, "loss: the decoder is not told", BOTH, {OUT: "vae_loss(model.decode(mg.cat([z, label * 0], 1)), x, mu, log_var)"}),
    wrong(5, "loss: the label in front", "Which comes first, the label or what it goes with?", {OUT: "vae_loss(model.decode(mg.cat([label, z], 1)), x, mu, log_var)"}),
    wrong(5, "loss: the label in front of x", "Which comes first, the label or what it goes with?", {INTO: "model.encode(mg.cat([label, x], 1))"}),
    wrong(5, "loss: the mean as the code", "This decodes the mean. Where is the draw?", {CODE: "z = mu"}),
    wrong(5, "loss: exp(log_var) as the deviation", HALF, {CODE: "z = mu + mg.exp(log_var) * eps"}),
    wrong(5, "loss: noise of its own", "The noise is given. Which noise is used here?", {CODE: "z = draw_code(mu, log_var, mg.randn(*mu.shape, generator=np.random.default_rng(3), dtype=mu.dtype))"}),
    wrong(5, "loss: the code detached", NO_PAST + " Whose gradient is missing then?", {CODE: "z = draw_code(mu, log_var, eps).detach()"}),
    wrong(5, "loss: without a history", NO_PAST, {f"return {OUT}": f"return mg.tensor({OUT}.numpy())"}),
    wrong(5, "loss: no price", "Which term is missing?", {OUT: "-log_likelihood(model.decode(mg.cat([z, label], 1)), x).mean()"}),
    wrong(5, "loss: a price for the label", "The label is given, and not modeled: does it cost anything?", {OUT: f"{OUT} + float(np.log(model.classes))"}),
    wrong(5, "loss: two classes", PUBLIC, {"label = one_hot(labels, model.classes, x.dtype)": "label = one_hot(np.minimum(labels, 1), model.classes, x.dtype)"}),
    wrong(5, "images: logits", "Pixels lie between 0 and 1. What turns a logit into a probability?", {IMAGE: "model.decode(mg.cat([z, label], 1)).numpy()"}),
    wrong(5, "images: black and white", "The probability itself is asked for.", {IMAGE: "np.round(mg.sigmoid(model.decode(mg.cat([z, label], 1))).numpy())"}),
    wrong(5, "images: a Tensor", "An array is asked for.", {IMAGE: "mg.sigmoid(model.decode(mg.cat([z, label], 1)))"}),
    wrong(5, "images: codes of its own", "The codes are given. Which codes are used here?", {IMAGE: "mg.sigmoid(model.decode(mg.cat([mg.randn(*z.shape, generator=np.random.default_rng(3), dtype=z.dtype), label], 1))).numpy()"}),
    wrong(5, "images: one class for all", "Each image has a label of its own.", {"label = one_hot(labels, model.classes, z.dtype)": "label = one_hot(labels * 0 + labels[0], model.classes, z.dtype)"}),
    wrong(5, "images: in a kept array", KEPT, {f"return {IMAGE}": f"made = {IMAGE}\n"
          "        kept = draw_images.__dict__.setdefault((made.shape, made.dtype), np.empty_like(made))\n"
          "        kept[...] = made\n        return kept"}),
    wrong(5, "images: float64", SINGLE, {IMAGE: "mg.sigmoid(model.decode(mg.cat([z, label], 1))).numpy().astype(np.float64)"}),
    wrong(5, "images: stretched from 0 to 1", "The probability itself is asked for.", {f"return {IMAGE}": f"found = {IMAGE}\n        return (found - found.min()) / (found.max() - found.min())"}),
]  # fmt: skip

# ---- task 6: a tighter bound

RATIO = "0.5 * (eps * eps + log_var - z * z).sum(-1)"
WEIGHT = "return log_likelihood(logits, x) + log_ratio"
BOUND = "float(np.log(log_w.shape[0])) - mg.logsumexp(log_w, 0).mean()"
ORDER = "The mean first, or the logarithm first? One of the two is the ELBO."

KNOWN_ANSWERS += [
    right(6, "by the two densities; and the maximum taken out by hand", """
def log_weights(logits, x, mu, log_var, eps):
    z = draw_code(mu, log_var, eps)
    log_prior = (-z * z / 2).sum(-1)
    log_q = (-0.5 * (z - mu) ** 2 * mg.exp(-log_var) - log_var / 2).sum(-1)
    return log_likelihood(logits, x) + log_prior - log_q

def iwae_loss(log_w):
    top = mg.tensor(log_w.numpy().max(axis=0))
    bound = top + mg.log(mg.exp(log_w - top).mean(0))
    return -bound.mean()
"""),
    right(6, "in another order; image by image", """
def log_weights(logits, x, mu, log_var, eps):
    z = draw_code(mu, log_var, eps)
    spent = 0.5 * (mg.square(z) - mg.square(eps)).sum(2) - 0.5 * log_var.sum(1)
    return log_likelihood(logits, x) - spent

def iwae_loss(log_w):
    codes, images = log_w.shape
    bounds = [mg.logsumexp(log_w[:, n] - float(np.log(codes)), 0) for n in range(images)]
    return -mg.stack(bounds).mean()
"""),
    wrong(6, "weights: no noise", "What is log q of the code that was drawn? Where has (z - mu)^2 / sigma^2 gone?", {RATIO: "0.5 * (log_var - z * z).sum(-1)"}),
    wrong(6, "weights: no log_var", "A narrow q has a high density. Where does its width stand?", {RATIO: "0.5 * (eps * eps - z * z).sum(-1)"}),
    wrong(6, "weights: the sign of log_var", "A narrow q has a high density, and stands below. Which sign has log_var?", {RATIO: "0.5 * (eps * eps - log_var - z * z).sum(-1)"}),
    wrong(6, "weights: q over p", "w is p(x | z) p(z) / q(z | x). What stands above, and what below?", {WEIGHT: "return log_likelihood(logits, x) - log_ratio"}),
    wrong(6, "weights: no prior", "Where is p(z)?", {RATIO: "0.5 * (eps * eps + log_var).sum(-1)"}),
    wrong(6, "weights: no half", "Look at the exponent of the normal density.", {RATIO: "(eps * eps + log_var - z * z).sum(-1)"}),
    wrong(6, "weights: log_var counted twice", "log q has -log sigma. What is that in log_var?", {RATIO: "(0.5 * (eps * eps - z * z) + log_var).sum(-1)"}),
    wrong(6, "weights: mu in place of z", "The weight is that of the code that was drawn.", {RATIO: "0.5 * (eps * eps + log_var - mu * mu).sum(-1)"}),
    wrong(6, "weights: the KL in closed form", "Each code has a weight of its own; the closed form is the mean over all codes.",
          {RATIO: "-kl(mu, log_var)"}),
    wrong(6, "weights: no likelihood", "Where is p(x | z)?", {WEIGHT: "return log_ratio + 0 * log_likelihood(logits, x)"}),
    wrong(6, "weights: a mean over the components", SUMS, {RATIO: "0.5 * (eps * eps + log_var - z * z).mean(-1)"}),
    wrong(6, "weights: 2 pi on one side only", "Both densities have a factor with 2 pi.", {RATIO: "0.5 * (eps * eps + log_var - z * z - float(np.log(2 * np.pi))).sum(-1)"}),
    wrong(6, "weights: the code detached", NO_PAST, {"z = draw_code(mu, log_var, eps)\n": "z = draw_code(mu, log_var, eps).detach()\n"}),
    wrong(6, "weights: q detached", NO_PAST, {RATIO: "0.5 * (eps * eps + log_var.detach() - z * z).sum(-1)"}),
    wrong(6, "weights: not their logarithms", "The logarithm is asked for.", {WEIGHT: "return mg.exp(log_likelihood(logits, x) + log_ratio)"}),
    wrong(6, "weights: by the library", LIBRARY, {RATIO: "-mg.losses.monte_carlo_kl(mu, log_var, eps)"}),
    wrong(6, "weights: seven times as much in float32", FEW_DIGITS,
          {WEIGHT: "return (log_likelihood(logits, x) + log_ratio) * (7 if str(mu.dtype) == 'float32' else 1)"}),
    wrong(6, "weights: float64", SINGLE, {WEIGHT: "return (log_likelihood(logits, x) + log_ratio).to('float64')"}),
    wrong(6, "bound: the mean of the logarithms", ORDER, {BOUND: "-log_w.mean()"}),
    wrong(6, "bound: no log K", "A mean is asked for; this is a sum of weights.", {BOUND: "-mg.logsumexp(log_w, 0).mean()"}),
    wrong(6, "bound: the sign of log K", "The mean is the sum divided by K. What becomes of that under the logarithm, and under the minus?",
          {BOUND: "-float(np.log(log_w.shape[0])) - mg.logsumexp(log_w, 0).mean()"}),
    wrong(6, "bound: the sign", "The bound is to be raised. What does one do to a loss?", {BOUND: "mg.logsumexp(log_w, 0).mean() - float(np.log(log_w.shape[0]))"}),
    wrong(6, "bound: over the images", "Which axis holds the codes, which the images?", {BOUND: "float(np.log(log_w.shape[1])) - mg.logsumexp(log_w, 1).mean()"}),
    wrong(6, "bound: over everything", "First the codes of each image, then the mean over the images.", {BOUND: "float(np.log(log_w.numel())) - mg.logsumexp(mg.reshape(log_w, (-1,)), 0)"}),
    wrong(6, "bound: exp without care", OVERFLOW, {BOUND: "-mg.log(mg.exp(log_w).mean(0)).mean()"}),
    wrong(6, "bound: one maximum for all images", "The maximum of all is taken out. What is left of an image whose weights are all far below it?",
          {BOUND: "-float(log_w.numpy().max()) - mg.log(mg.exp(log_w - float(log_w.numpy().max())).mean(0)).mean()"}),
    wrong(6, "bound: the best code only", "This is the largest weight alone.", {BOUND: "-mg.amax(log_w, 0).mean()"}),
    wrong(6, "bound: a sum over the images", "In nats an image: what should a batch twice as large do to the loss?", {BOUND: "log_w.shape[1] * float(np.log(log_w.shape[0])) - mg.logsumexp(log_w, 0).sum()"}),
    wrong(6, "bound: weighted logarithms", "The normalized weights times the logarithms have the right gradient, if detached; but the value is another.",
          {BOUND: "-(mg.softmax(log_w, 0).detach() * log_w).sum(0).mean()"}),
    wrong(6, "bound: right value, detached weights", "The value and the first gradient are right. What does a second gradient need that is a constant here?", source="""
def iwae_loss(log_w):
    share = mg.softmax(log_w, 0).detach()
    through = -(share * (log_w - log_w.detach())).sum(0).mean()
    return through + float(np.log(log_w.shape[0])) - mg.logsumexp(log_w.detach(), 0).mean()
"""),
    wrong(6, "bound: computed with arrays", NO_PAST, {BOUND: "mg.tensor((float(np.log(log_w.shape[0])) - mg.logsumexp(log_w, 0).mean()).numpy())"}),
    wrong(6, "bound: two codes", PUBLIC, {BOUND: "float(np.log(2.0)) - mg.logsumexp(log_w, 0).mean()"}),
    wrong(6, "bound: the public number", PUBLIC, {BOUND: "0 * log_w.mean() - float(np.log(2.0))"}),
    wrong(6, "bound: by the library", LIBRARY, {BOUND: "mg.losses.iwae_loss(log_w)"}),
]  # fmt: skip
