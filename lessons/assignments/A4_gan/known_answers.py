"""Known answers of A4: known wrong answers, with what their authors should read; and right ones, written differently."""

from minigen.course.kit import FEW_DIGITS, right, wrong

FINITE = "What is this for a logit of -800? There is a function that never makes exp of a large number."
SINGLE = "Something here is float64: NumPy's functions make it of lists and counts, and it wins over float32."
NO_PAST = "The number is right, but what is made from .data, .numpy() or .detach() has no past to go back through."
PLACE = "An operation such as += or *= changes the array that the caller still needs."
MEAN = "Is it a sum or a mean? Double the batch: the loss should not double."
LOGITS = "These are logits, not probabilities. What takes one to the other?"
SMOOTH = "Smoothing replaces the label 1 of a real image by 1 - s. What stands in a cross-entropy for the rest, s?"
KEPT = "The array that was returned before is used again: the result of the first call changes with the second."
MEMORY = "An array can have any strides: a transpose, every second row. Which order is taken for granted here?"
EXACTLY_0 = "What does each part of the formula give for a number that is exactly 0?"
CORNER = "The loss is smooth. Is every part of your formula, and what is its slope at a logit of exactly 0?"

# ---- task 1: the discriminator's loss

ON_REAL = "on_real = (1 - smoothing) * F.softplus(-real) + smoothing * F.softplus(real)"
RETURN = "return on_real.mean() + F.softplus(fake).mean()"

KNOWN_ANSWERS = [
    right(1, "the smoothing as one more term", """
def d_loss(real, fake, smoothing=0.0):
    return mg.mean(F.softplus(-real) + smoothing * real) + mg.mean(F.softplus(fake))
"""),
    right(1, "softplus by hand", """
def d_loss(real, fake, smoothing=0.0):
    def cross_entropy(logits, label):
        return (F.softplus(logits) - label * logits).sum() / logits.numel()

    return cross_entropy(fake, 0.0) + cross_entropy(real, 1.0 - smoothing)
"""),
    wrong(1, "the sign of real", "A real image with a large logit is judged rightly. Should that cost more or less?",
          {ON_REAL: "on_real = (1 - smoothing) * F.softplus(real) + smoothing * F.softplus(-real)"}),
    wrong(1, "the sign of fake", "A generated image with a large logit is taken for real. Should that cost more or less?",
          {"F.softplus(fake)": "F.softplus(-fake)"}),
    wrong(1, "V, not minus V", "This is what D wants to be large; an optimizer makes its loss small.",
          {RETURN: "return -on_real.mean() - F.softplus(fake).mean()"}),
    wrong(1, "sums", MEAN, {RETURN: "return on_real.sum() + F.softplus(fake).sum()"}),
    wrong(1, "one mean over all", "There are two expectations, and each has its own batch. What if there are more fakes?",
          {RETURN: "return (on_real.sum() + F.softplus(fake).sum()) / (real.numel() + fake.numel())"}),
    wrong(1, "halved", "The two means are added. What does an undecided D pay?",
          {RETURN: "return (on_real.mean() + F.softplus(fake).mean()) / 2"}),
    wrong(1, "no fakes", "Without generated images D = 1 everywhere would be perfect.", {RETURN: "return on_real.mean()"}),
    wrong(1, "logits as probabilities", LOGITS, source="""
def d_loss(real, fake, smoothing=0.0):
    return -((1 - smoothing) * real.log() + smoothing * (1 - real).log()).mean() - (1 - fake).log().mean()
"""),
    wrong(1, "a sigmoid, then logarithms", FINITE, source="""
def d_loss(real, fake, smoothing=0.0):
    p, q = F.sigmoid(real), F.sigmoid(fake)
    return -((1 - smoothing) * p.log() + smoothing * (1 - p).log()).mean() - (1 - q).log().mean()
"""),
    wrong(1, "a small number in the logarithm", "A small number inside a logarithm hides the infinity. What of the slope?",
          source="""
def d_loss(real, fake, smoothing=0.0):
    p, q, eps = F.sigmoid(real), F.sigmoid(fake), 1e-8
    on_real = (1 - smoothing) * (p + eps).log() + smoothing * (1 - p + eps).log()
    return -on_real.mean() - (1 - q + eps).log().mean()
"""),
    wrong(1, "squashed twice", "How often is a sigmoid taken here? softplus has one inside already.",
          {RETURN: "on_real = (1 - smoothing) * F.softplus(-F.sigmoid(real)) + smoothing * F.softplus(F.sigmoid(real))\n"
                   "    return on_real.mean() + F.softplus(F.sigmoid(fake)).mean()"}),
    wrong(1, "no smoothing", "smoothing plays no part here.", {ON_REAL: "on_real = F.softplus(-real)"}),
    wrong(1, "fakes are smoothed", "Only one side's labels are smoothed: which one, and why not the other?",
          {ON_REAL: "on_real = F.softplus(-real)",
           "F.softplus(fake).mean()": "((1 - smoothing) * F.softplus(fake) + smoothing * F.softplus(-fake)).mean()"}),
    wrong(1, "both are smoothed", "Only one side's labels are smoothed: which one, and why not the other?",
          {"F.softplus(fake).mean()": "((1 - smoothing) * F.softplus(fake) + smoothing * F.softplus(-fake)).mean()"}),
    wrong(1, "half a cross-entropy", SMOOTH, {" + smoothing * F.softplus(real)": ""}),
    wrong(1, "the label for the rest", "The two labels of a real image are 1 - s and s. Which belongs to which logarithm?",
          {ON_REAL: "on_real = smoothing * F.softplus(-real) + (1 - smoothing) * F.softplus(real)"}),
    wrong(1, "no past", NO_PAST, {RETURN: "return mg.tensor((on_real.mean() + F.softplus(fake).mean()).numpy())"}),
    wrong(1, "real without a past", NO_PAST, {RETURN: "return on_real.detach().mean() + F.softplus(fake).mean()"}),
    wrong(1, "float64", SINGLE,
          {RETURN: "return on_real.mean() * mg.tensor(np.ones(())) + F.softplus(fake).mean()"}),
    wrong(1, "relu and abs, which have a corner", CORNER,
          {"F.softplus(fake).mean()": "(F.relu(fake) + F.softplus(-abs(fake))).mean()"}),
    wrong(1, "a base of 10", "Which logarithm does a cross-entropy have?",
          {RETURN: "return (on_real.mean() + F.softplus(fake).mean()) / float(np.log(10))"}),
    wrong(1, "the public numbers", "It is right for three cases. What about others?", source="""
def d_loss(real, fake, smoothing=0.0):
    value = np.log(4 / 3) + np.log(5 / 4) if not smoothing else 2 * np.log(2)
    if smoothing and real.numpy().any():
        value = -0.75 * np.log(0.75) - 0.25 * np.log(0.25) + np.log(2)
    return (real.sum() + fake.sum()) * 0 + value
"""),
]  # fmt: skip

# ---- task 2: two losses for the generator

SAT = "return -F.softplus(fake).mean()"
NON = "return F.softplus(-fake).mean()"
SAT_G = "return -np.exp(-np.logaddexp(0, -logits)) / logits.size"
NON_G = "return -np.exp(-np.logaddexp(0, logits)) / logits.size"
SLOPE = "The loss falls when the logit rises. Which sign has its slope?"
WHICH = "Found out, D = 0: which of the two losses is flat there, and which is steep?"
HUGE = "What is this for logits of -800 and 800, and for float32? exp of a large number is not finite."

KNOWN_ANSWERS += [
    right(2, "by cases of the sign", """
def g_loss_saturating(fake):
    return -(mg.maximum(fake, 0 * fake) + F.softplus(-abs(fake))).mean()

def g_loss(fake):
    return (F.softplus(fake) - fake).sum() / fake.numel()

def small(x):
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1) / (1 + e)

def g_gradient_saturating(logits):
    return (-small(logits) / logits.size).astype(logits.dtype)

def g_gradient(logits):
    return (-small(-logits) / logits.size).astype(logits.dtype)
"""),
    right(2, "through logarithms", """
def g_loss_saturating(fake):
    return mg.mean(-F.softplus(fake))

def g_loss(fake):
    return -mg.mean(-F.softplus(-fake))

def g_gradient_saturating(logits):
    log_d = -np.logaddexp(np.zeros_like(logits), -logits)
    return -np.exp(log_d) * (1 / logits.size)

def g_gradient(logits):
    log_not_d = -np.logaddexp(np.zeros_like(logits), logits)
    return -(np.exp(log_not_d) / logits.size)
"""),
    wrong(2, "non-saturating: the sign", "G descends this: should log D grow or fall then?", {NON: "return -F.softplus(-fake).mean()"}),
    wrong(2, "saturating: the sign", "G descends this: log(1 - D) is to fall. Is that what is returned?",
          {SAT: "return F.softplus(fake).mean()"}),
    wrong(2, "the two losses swapped", WHICH, {SAT: NON.replace("F", "0 + F"), NON: SAT}),
    wrong(2, "non-saturating: the logit's sign", "A fake with a large logit fools D. Should that cost G much or little?",
          {NON: "return F.softplus(fake).mean()"}),
    wrong(2, "relu and abs, which have a corner", CORNER,
          {NON: "return (F.relu(-fake) + F.softplus(-abs(fake))).mean()"}),
    wrong(2, "a sum", MEAN, {NON: "return F.softplus(-fake).sum()"}),
    wrong(2, "saturating: a sum", MEAN, {SAT: "return -F.softplus(fake).sum()"}),
    wrong(2, "on probabilities", LOGITS, {NON: "return -fake.log().mean()"}),
    wrong(2, "no logarithm", "Where is the logarithm? This is a mean of probabilities.", {NON: "return -F.sigmoid(fake).mean()"}),
    wrong(2, "a sigmoid, then a logarithm", FINITE, {NON: "return -F.sigmoid(fake).log().mean()"}),
    wrong(2, "saturating: a sigmoid, then a logarithm", FINITE, {SAT: "return (1 - F.sigmoid(fake)).log().mean()"}),
    wrong(2, "no past", NO_PAST, {NON: "return mg.tensor(np.logaddexp(0, -fake.numpy()).mean())"}),
    wrong(2, "gradient: the sign", SLOPE, {NON_G: NON_G.replace("-np.exp(-", "np.exp(-")}),
    wrong(2, "saturating gradient: the sign", SLOPE, {SAT_G: SAT_G.replace("-np.exp(-", "np.exp(-")}),
    wrong(2, "gradients swapped", WHICH, {SAT_G: NON_G.replace("-np.exp(-", "0 - np.exp(-"), NON_G: SAT_G}),
    wrong(2, "gradient: no 1/M", "The loss is a mean. How much of it is each logit's?", {NON_G: NON_G.replace(" / logits.size", "")}),
    wrong(2, "gradient: 1/N for the first axis", "The loss is a mean over all logits, whatever the shape.",
          {NON_G: NON_G.replace(".size", ".shape[0]")}),
    wrong(2, "saturating gradient: 1/N for the first axis", "The loss is a mean over all logits, whatever the shape.",
          {SAT_G: SAT_G.replace("logits.size", "len(logits)")}),
    wrong(2, "saturating gradient: no 1/M", "The loss is a mean. How much of it is each logit's?", {SAT_G: SAT_G.replace(" / logits.size", "")}),
    wrong(2, "gradient in D", "This is the derivative in D. The chain rule has one more factor.",
          {NON_G: "return -(1 + np.exp(-logits)) / logits.size"}),
    wrong(2, "gradient: a factor too many", "1/D times D(1 - D): what is left?",
          {NON_G: NON_G.replace("(0, logits))", "(0, logits) - np.logaddexp(0, -logits))")}),
    wrong(2, "gradient: exp of the logit", HUGE, {SAT_G: "return -np.exp(logits) / (1 + np.exp(logits)) / logits.size"}),
    wrong(2, "gradient: one minus a sigmoid", "For D close to 1 the difference 1 - D loses all digits. Is there another "
          "way to write it?", {NON_G: "return -(1 - np.exp(-np.logaddexp(0, -logits))) / logits.size"}),
    wrong(2, "gradient: float64", SINGLE, {NON_G: NON_G.replace("logits))", "logits.astype(float)))")}),
    wrong(2, "gradient: in a kept array", KEPT, {NON_G: "kept = g_gradient.__dict__.setdefault((logits.shape, logits.dtype), np.empty_like(logits))\n"
          "    kept[...] = -np.exp(-np.logaddexp(0, logits)) / logits.size\n    return kept"}),
    wrong(2, "gradient: added to what is kept", KEPT, {NON_G: "kept = g_gradient.__dict__.setdefault((logits.shape, logits.dtype), np.zeros_like(logits))\n"
          "    kept -= np.exp(-np.logaddexp(0, logits)) / logits.size\n    return kept.copy()"}),
    wrong(2, "gradient: strides of a contiguous array", MEMORY,
          {NON_G: "logits = np.lib.stride_tricks.as_strided(logits, logits.shape, np.empty_like(logits, order='C').strides)\n    " + NON_G}),
    wrong(2, "gradient: half precision for float32", FEW_DIGITS,
          {NON_G: NON_G + "\n", "def g_gradient(logits):": "def g_gradient(logits):\n    logits = logits.astype(np.float16).astype(logits.dtype) if logits.dtype == np.float32 else logits"}),
    wrong(2, "gradient: by the sign of the logit", EXACTLY_0, {NON_G: NON_G + " * np.sign(logits) ** 2"}),
    wrong(2, "gradient: in place", PLACE, {NON_G: "logits *= -1\n    return -np.exp(-np.logaddexp(0, -logits)) / logits.size"}),
    wrong(2, "gradient: the public number", "It is right at one logit. What about others?",
          {NON_G: "return np.full_like(logits, -0.8)"}),
]  # fmt: skip

# ---- task 3: the two networks

TANH = "        nn.Tanh(),\n"
NO_BIAS = "A bias before batch norm is taken away again with the mean. What does the docstring say of biases?"
LAST_NORM = "Batch norm stands in three places in all. Where would it do harm, and why?"
RANGE = "Which numbers can come out of the generator? Real images lie in [-1, 1]."
SCORE = "D gives a logit: any number. The loss does the rest."
SLOPE_2 = "The slope of a LeakyReLU for negative numbers has a default. Is it what is asked for?"
START = (
    "Compare the weights of two new networks: with each other, and within each. Can all neurons learn something else?"
)
WIDTHS = "From 8x8 to 4x4 to 2x2: how many channels are there in each place?"

KNOWN_ANSWERS += [
    right(3, "modules of their own", """
class _Maker(nn.Module):
    def __init__(self, latent, width, channels):
        super().__init__()
        self.width = width
        self.dense = nn.Linear(latent, 8 * width, bias=False)
        self.norm1 = nn.BatchNorm2d(2 * width)
        self.up1 = nn.ConvTranspose2d(2 * width, width, 4, 2, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.up2 = nn.ConvTranspose2d(width, channels, 4, 2, 1)

    def forward(self, z):
        x = self.dense(z).reshape(-1, 2 * self.width, 2, 2)
        x = self.up1(F.relu(self.norm1(x)))
        return self.up2(F.relu(self.norm2(x))).tanh()

class _Judge(nn.Module):
    def __init__(self, width, channels):
        super().__init__()
        self.down1 = nn.Conv2d(channels, width, 4, 2, 1)
        self.down2 = nn.Conv2d(width, 2 * width, 4, 2, 1, bias=False)
        self.norm = nn.BatchNorm2d(2 * width)
        self.dense = nn.Linear(8 * width, 1)

    def forward(self, x):
        x = F.leaky_relu(self.down1(x), 0.2)
        x = F.leaky_relu(self.norm(self.down2(x)), 0.2)
        return self.dense(x.reshape(x.shape[0], -1))

def generator(latent, width, channels=1):
    return _Maker(latent, width, channels)

def discriminator(width, channels=1):
    return _Judge(width, channels)
"""),
    right(3, "layers from a list", """
def generator(latent, width, channels=1):
    layers = [nn.Linear(latent, 8 * width, bias=False), nn.Unflatten(1, (2 * width, 2, 2))]
    for wide, narrow in ((2 * width, width), (width, channels)):
        last = narrow is channels and wide == width
        layers += [nn.BatchNorm2d(wide), nn.ReLU(), nn.ConvTranspose2d(wide, narrow, 4, 2, 1, bias=last)]
    return nn.Sequential(*layers, nn.Tanh())

def discriminator(width, channels=1):
    layers = []
    for k, (narrow, wide) in enumerate([(channels, width), (width, 2 * width)]):
        layers.append(nn.Conv2d(narrow, wide, (4, 4), (2, 2), (1, 1), bias=k == 0))
        layers.extend([nn.BatchNorm2d(wide)] if k else [])
        layers.append(nn.LeakyReLU(0.2))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(4 * wide, 1))
"""),
    right(3, "batch norms registered first", """
class _Maker(nn.Module):
    def __init__(self, latent, width, channels):
        super().__init__()
        self.width = width
        self.norm2, self.norm1 = nn.BatchNorm2d(width), nn.BatchNorm2d(2 * width)
        self.up2 = nn.ConvTranspose2d(width, channels, 4, 2, 1)
        self.up1 = nn.ConvTranspose2d(2 * width, width, 4, 2, 1, bias=False)
        self.dense = nn.Linear(latent, 8 * width, bias=False)

    def forward(self, z):
        x = self.dense(z).reshape(-1, 2 * self.width, 2, 2)
        x = self.up1(F.relu(self.norm1(x)))
        return self.up2(F.relu(self.norm2(x))).tanh()

def generator(latent, width, channels=1):
    return _Maker(latent, width, channels)
"""),
    wrong(3, "all weights zero at the start", START, {"    return nn.Sequential(\n        nn.Conv2d(channels,":
          "    return _blank(\n        nn.Conv2d(channels,", "def discriminator(": """def _blank(*layers):
    made = nn.Sequential(*layers)
    for p in made.parameters():
        p.data = 0 * p.numpy()
    return made

def discriminator("""}),
    wrong(3, "the same weights in every call", START, {"    return nn.Sequential(\n        nn.Linear(latent":
          "    mg.manual_seed(0)\n    return nn.Sequential(\n        nn.Linear(latent"}),
    wrong(3, "sigmoid for tanh", RANGE, {TANH: "        nn.Sigmoid(),\n"}),
    wrong(3, "no tanh", RANGE, {TANH: ""}),
    wrong(3, "batch norm at the generator's output", LAST_NORM, {TANH: "        nn.BatchNorm2d(channels),\n" + TANH}),
    wrong(3, "batch norm at the output, without parameters", LAST_NORM,
          {TANH: "        nn.BatchNorm2d(channels, affine=False),\n" + TANH}),
    wrong(3, "batch norm after tanh", LAST_NORM, {TANH: TANH + "        nn.BatchNorm2d(channels, affine=False),\n"}),
    wrong(3, "batch norm at the discriminator's input", LAST_NORM,
          {"        nn.Conv2d(channels,": "        nn.BatchNorm2d(channels),\n        nn.Conv2d(channels,"}),
    wrong(3, "batch norm at the input, without parameters", LAST_NORM,
          {"        nn.Conv2d(channels,": "        nn.BatchNorm2d(channels, affine=False),\n        nn.Conv2d(channels,"}),
    wrong(3, "batch norm after D's first convolution", LAST_NORM,
          {"        nn.LeakyReLU(0.2),\n        nn.Conv2d(width": "        nn.BatchNorm2d(width),\n        nn.LeakyReLU(0.2),\n        nn.Conv2d(width"}),
    wrong(3, "one batch norm of the generator is missing", "Count the batch norms of the generator.",
          {"        nn.BatchNorm2d(width),\n": ""}),
    wrong(3, "no batch norm in the discriminator", "There is one batch norm in the discriminator.",
          {"        nn.BatchNorm2d(2 * width),\n        nn.LeakyReLU": "        nn.LeakyReLU"}),
    wrong(3, "statistics of all batches", "In training batch norm looks at its own batch. Which mode is a new network in?",
          {TANH + "    )": TANH + "    ).eval()"}),
    wrong(3, "a sigmoid at D's end", SCORE, {"nn.Linear(2 * width * 2 * 2, 1),": "nn.Linear(2 * width * 2 * 2, 1),\n        nn.Sigmoid(),"}),
    wrong(3, "a tanh at D's end", SCORE, {"nn.Linear(2 * width * 2 * 2, 1),": "nn.Linear(2 * width * 2 * 2, 1),\n        nn.Tanh(),"}),
    wrong(3, "a leak of 0.01", SLOPE_2, {"padding=1),\n        nn.LeakyReLU(0.2)": "padding=1),\n        nn.LeakyReLU()"}),
    wrong(3, "ReLU in the discriminator", "A ReLU lets nothing through where it is negative. What does G learn there?",
          {"nn.LeakyReLU(0.2),\n        nn.Flatten": "nn.ReLU(),\n        nn.Flatten"}),
    wrong(3, "LeakyReLU in the generator", "Which of the two networks has ReLU, and which LeakyReLU?",
          {"nn.BatchNorm2d(width),\n        nn.ReLU()": "nn.BatchNorm2d(width),\n        nn.LeakyReLU(0.2)"}),
    wrong(3, "ReLU before batch norm", "Batch norm comes right after the convolution; ReLU after it.",
          {"nn.BatchNorm2d(width),\n        nn.ReLU()": "nn.ReLU(),\n        nn.BatchNorm2d(width)"}),
    wrong(3, "biases before batch norm", NO_BIAS, {"nn.Linear(latent, 2 * width * 2 * 2, bias=False)": "nn.Linear(latent, 2 * width * 2 * 2)"}),
    wrong(3, "a bias before the generator's second batch norm", NO_BIAS,
          {"width, 4, stride=2, padding=1, bias=False),\n        nn.BatchNorm2d(width)": "width, 4, stride=2, padding=1),\n        nn.BatchNorm2d(width)"}),
    wrong(3, "a bias before the discriminator's batch norm", NO_BIAS,
          {"2 * width, 4, stride=2, padding=1, bias=False)": "2 * width, 4, stride=2, padding=1)"}),
    wrong(3, "no bias at the output", "No batch norm follows on the last convolution: who shifts its output?",
          {"nn.ConvTranspose2d(width, channels, 4, stride=2, padding=1)": "nn.ConvTranspose2d(width, channels, 4, stride=2, padding=1, bias=False)"}),
    wrong(3, "a kernel of 3", "8x8 can come out of other kernels, too. Which one is asked for?",
          {"nn.ConvTranspose2d(width, channels, 4, stride=2, padding=1)": "nn.ConvTranspose2d(width, channels, 3, stride=2, padding=1, output_padding=1)"}),
    wrong(3, "as many channels everywhere", WIDTHS, source="""
def discriminator(width, channels=1):
    return nn.Sequential(
        nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(width, width, 4, 2, 1, bias=False),
        nn.BatchNorm2d(width), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(4 * width, 1),
    )
"""),
    wrong(3, "one channel only", "Images can have more channels than one.",
          {"nn.Conv2d(channels,": "nn.Conv2d(1,"}),
    wrong(3, "one channel only, in the generator", "Images can have more channels than one.",
          {"nn.ConvTranspose2d(width, channels, 4": "nn.ConvTranspose2d(width, 1, 4"}),
    wrong(3, "the public sizes", "latent and width are to be used: other sizes come, too.",
          {"nn.Linear(latent, 2 * width * 2 * 2, bias=False)": "nn.Linear(4, 16, bias=False)"}),
    wrong(3, "the same network again", "The second network shares its parameters with the first. Where is it made?",
          source="""
_made = {}

def discriminator(width, channels=1):
    if (width, channels) not in _made:
        _made[width, channels] = nn.Sequential(
            nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(width, 2 * width, 4, 2, 1, bias=False),
            nn.BatchNorm2d(2 * width), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(8 * width, 1),
        )
    return _made[width, channels]
"""),
]  # fmt: skip

# ---- task 4: one move of each player

JUDGED = "loss_d = d_loss(D(x), D(fake.detach()), smoothing)"
LOSS_G = "loss_g = g_loss(D(fake))"
MOVE_D = "    optimizer_d.zero_grad()\n    loss_d.backward()\n    optimizer_d.step()\n"
MOVE_G = "    optimizer_g.zero_grad()\n    loss_g.backward()\n    optimizer_g.step()\n"
CLEAR = "backward() adds to the gradients that are there. Whose are they, from when, and who clears them?"
OLD_D = "Which D judges G's images: the one before its move, or the one after it?"
CUT = "Where does G's gradient come from? Follow it back from the loss: through D, to the images, to G."
MODES = "Networks can come in training or in evaluation mode. In which one do they go on, and are they left?"
TURN = "One player moves at a time. Which optimizer, after which loss?"

KNOWN_ANSWERS += [
    right(4, "by mg.grad", """
def training_step(G, D, optimizer_g, optimizer_d, x, z, smoothing=0.1):
    def descend(loss, network, optimizer):
        parameters = list(network.parameters())
        for p, slope in zip(parameters, mg.grad(loss, parameters)):
            p.grad = slope
        optimizer.step()
        return loss.item()

    with mg.no_grad():
        fake = G(z)
    before = descend(d_loss(D(x), D(fake), smoothing), D, optimizer_d)
    return before, descend(g_loss(D(G(z))), G, optimizer_g)
"""),
    right(4, "fakes first, and gradients cleared at the end too", """
def training_step(G, D, optimizer_g, optimizer_d, x, z, smoothing=0.1):
    for optimizer in (optimizer_g, optimizer_d):
        optimizer.zero_grad()
    fake = G(z)
    on_fake = D(mg.tensor(fake.numpy()))
    total = d_loss(D(x), on_fake, smoothing)
    total.backward()
    optimizer_d.step()
    loss = g_loss(D(fake))
    loss.backward()
    optimizer_g.step()
    optimizer_d.zero_grad()
    return float(total.numpy()), float(loss.numpy())
"""),
    wrong(4, "detach forgotten, gradients pile up in G", "D's loss runs through G here as well. What would it teach G?",
          {JUDGED: "optimizer_g.zero_grad()\n    loss_d = d_loss(D(x), D(fake), smoothing)", "loss_d.backward()": "loss_d.backward(retain_graph=True)",
           "    optimizer_g.zero_grad()\n    loss_g": "    loss_g"}),
    wrong(4, "detach forgotten", "D's loss runs through G here as well: its backward() used up what G's move needs. Must it?",
          {JUDGED: "loss_d = d_loss(D(x), D(fake), smoothing)"}),
    wrong(4, "detach in G's move", CUT, {LOSS_G: "loss_g = g_loss(D(fake.detach()))"}),
    wrong(4, "D's answer is detached in its own loss", "What is detached: the images, or what D says to them? D has to learn from both.",
          {JUDGED: "loss_d = d_loss(D(x), D(fake).detach(), smoothing)"}),
    wrong(4, "real is detached", "D has to learn from real images, too.", {JUDGED: "loss_d = d_loss(D(x).detach(), D(fake.detach()), smoothing)"}),
    wrong(4, "stale logits", OLD_D, {JUDGED: "early = g_loss(D(fake))\n    " + JUDGED, LOSS_G: "loss_g = early"}),
    wrong(4, "both moves at the end", OLD_D, source="""
def training_step(G, D, optimizer_g, optimizer_d, x, z, smoothing=0.1):
    fake = G(z)
    loss_d, loss_g = d_loss(D(x), D(fake.detach()), smoothing), g_loss(D(fake))
    for loss, network in ((loss_d, D), (loss_g, G)):
        parameters = list(network.parameters())
        for p, slope in zip(parameters, mg.grad(loss, parameters)):
            p.grad = slope
    optimizer_d.step()
    optimizer_g.step()
    return loss_d.item(), loss_g.item()
"""),
    wrong(4, "G first", "Who moves first?", source="""
def training_step(G, D, optimizer_g, optimizer_d, x, z, smoothing=0.1):
    fake = G(z)
    loss_g = g_loss(D(fake))
    optimizer_g.zero_grad()
    loss_g.backward()
    optimizer_g.step()
    loss_d = d_loss(D(x), D(fake.detach()), smoothing)
    optimizer_d.zero_grad()
    loss_d.backward()
    optimizer_d.step()
    return loss_d.item(), loss_g.item()
"""),
    wrong(4, "G's move updates D, too", TURN, {MOVE_G: MOVE_G + "    optimizer_d.step()\n"}),
    wrong(4, "G does not move", TURN, {"    optimizer_g.step()\n": ""}),
    wrong(4, "D does not move", TURN, {"    optimizer_d.step()\n": ""}),
    wrong(4, "the optimizers swapped", TURN, {"    optimizer_d.step()\n": "    optimizer_g.step()\n",
          "    loss_g.backward()\n    optimizer_g.step()\n": "    loss_g.backward()\n    optimizer_d.step()\n"}),
    wrong(4, "D's gradients are not cleared", CLEAR, {"    optimizer_d.zero_grad()\n": ""}),
    wrong(4, "G's gradients are not cleared", CLEAR, {"    optimizer_g.zero_grad()\n": ""}),
    wrong(4, "nothing is cleared", CLEAR, {"    optimizer_d.zero_grad()\n": "", "    optimizer_g.zero_grad()\n": ""}),
    wrong(4, "cleared between backward and step", "Between backward() and step() the gradients are needed.",
          {MOVE_D: "    loss_d.backward()\n    optimizer_d.zero_grad()\n    optimizer_d.step()\n"}),
    wrong(4, "the loss that saturates", "There are two losses for G. Which one is asked for?", {LOSS_G: "loss_g = g_loss_saturating(D(fake))"}),
    wrong(4, "the sign of G's loss", "G became worse: which sign has its loss?", {LOSS_G: "loss_g = -g_loss(D(fake))"}),
    wrong(4, "real and fake swapped", "Which argument of d_loss are the real images' logits?",
          {JUDGED: "loss_d = d_loss(D(fake.detach()), D(x), smoothing)"}),
    wrong(4, "smoothing is not passed on", "smoothing plays no part here.", {"fake.detach()), smoothing)": "fake.detach()))"}),
    wrong(4, "always a smoothing of 0.1", "smoothing is an argument: it can be another number.",
          {"fake.detach()), smoothing)": "fake.detach()), 0.1)"}),
    wrong(4, "real and fake in one batch", "Batch norm sees the whole batch. In what company are real images judged here?",
          {JUDGED: "both = D(mg.cat([x, fake.detach()]))\n    loss_d = d_loss(both[: x.shape[0]], both[x.shape[0] :], smoothing)"}),
    wrong(4, "G in evaluation mode", "Batch norm has two modes. Which one is for training, and which one is left behind?",
          {"fake = G(z)": "fake = G.eval()(z)"}),
    wrong(4, "both in training mode, whatever they were in", "Batch norm has two modes. Who chooses: the caller, or the step?",
          {"fake = G(z)": "G.train()\n    D.train()\n    fake = G(z)"}),
    wrong(4, "evaluation mode is left behind in one layer", MODES,
          {"return loss_d.item(), loss_g.item()": "list(D.modules())[-1].eval()\n    return loss_d.item(), loss_g.item()"}),
    wrong(4, "D looks at the images once more", "Batch norm remembers each batch that it sees in training. Which batches does D see here?",
          {"return loss_d.item(), loss_g.item()": "D(x)\n    return loss_d.item(), loss_g.item()"}),
    wrong(4, "running statistics are put back", "Batch norm's running statistics are for evaluation later. What becomes of them here?",
          {"fake = G(z)": "old = [(b, b.numpy().copy()) for net in (G, D) for b in net.buffers()]\n    fake = G(z)",
           "return loss_d.item(), loss_g.item()": "for b, value in old:\n        b.data = value\n    return loss_d.item(), loss_g.item()"}),
    wrong(4, "gradients are cleared at the end only", CLEAR, source="""
def training_step(G, D, optimizer_g, optimizer_d, x, z, smoothing=0.1):
    fake = G(z)
    loss_d = d_loss(D(x), D(fake.detach()), smoothing)
    loss_d.backward()
    optimizer_d.step()
    loss_g = g_loss(D(fake))
    loss_g.backward()
    optimizer_g.step()
    optimizer_d.zero_grad()
    optimizer_g.zero_grad()
    return loss_d.item(), loss_g.item()
"""),
    wrong(4, "D is frozen, and stays so", "What was switched off for G's move, and who switches it on again?",
          {LOSS_G: "D.requires_grad_(False)\n    " + LOSS_G}),
    wrong(4, "G's loss first in the result", "Two losses come back. Which of them first?",
          {"return loss_d.item(), loss_g.item()": "return loss_g.item(), loss_d.item()"}),
    wrong(4, "Tensors come back", "Python numbers are asked for: a Tensor keeps the whole graph alive.",
          {"return loss_d.item(), loss_g.item()": "return loss_d, loss_g"}),
    wrong(4, "D moves twice", "One move of each player.", {MOVE_D: MOVE_D + "    optimizer_d.step()\n"}),
]  # fmt: skip

# ---- task 5: it learns

PIXELS = "(images[some] / 127.5 - 1)"
NOISE = "random.normal(size=(batch, latent))"
PICK = "some = random.choice(len(images), batch, replace=False)"
DRAWN = "return np.rint((made + 1) * 127.5).astype(np.uint8)"
LEVELS = "0 is black and 255 is white. What are they for a network that ends in tanh?"
GREY = "-1 is to become 0 and 1 to become 255. What becomes of 0, and of what lies between two integers?"
EACH = "Does each image come as often as the others, and none twice in a batch?"
BETAS = "Adam's own defaults are for one loss that stands still. What is asked for?"
WHOSE = "Each optimizer has the parameters of one player: all of them, and no others."
MODE = "Evaluation mode is for this one look: before and afterwards?"
SEED = "Everything random has to follow from seed: the weights at the start, the batches, the noise."

KNOWN_ANSWERS += [
    right(5, "by epochs, with minigen's noise", """
def train(images, steps, latent=8, width=8, batch=32, lr=0.002, seed=0):
    mg.manual_seed(seed)
    shuffle = np.random.default_rng(seed + 1)
    players = [generator(latent, width, images.shape[1]), discriminator(width, images.shape[1])]
    optimizers = [mg.optim.Adam(net.parameters(), lr, (0.5, 0.999)) for net in players]
    waiting = []
    for _ in range(steps):
        if len(waiting) < batch:
            waiting = list(shuffle.permutation(len(images)))
        now, waiting = waiting[:batch], waiting[batch:]
        x = (images[now].astype(np.float32) - np.float32(127.5)) / np.float32(127.5)
        training_step(*players, *optimizers, mg.tensor(x), mg.randn(batch, latent))
    return players[0]

def sample(G, z):
    was = G.training
    G.eval()
    images = G(mg.tensor(z.astype(np.float32))).detach().numpy()
    G.train(was)
    return np.clip(np.floor((images + 1) / 2 * 255 + 0.5), 0, 255).astype(np.uint8)
"""),
    right(5, "noise and batches drawn before", """
def train(images, steps, latent=8, width=8, batch=32, lr=0.002, seed=0):
    mg.manual_seed(seed)
    r = np.random.default_rng([seed, 5])
    scaled = (images.astype(np.float64) * 2 / 255 - 1).astype(np.float32)
    G, D = generator(latent, width, images.shape[1]), discriminator(width, images.shape[1])
    adam = dict(lr=lr, betas=(0.5, 0.999))
    og, od = mg.optim.Adam(G.parameters(), **adam), mg.optim.Adam(D.parameters(), **adam)
    order = [r.permutation(len(images))[:batch] for _ in range(steps)]
    noise = r.standard_normal((steps, batch, latent), dtype=np.float32)
    for some, z in zip(order, noise):
        training_step(G, D, og, od, mg.tensor(scaled[some]), mg.tensor(z), smoothing=0.1)
    return G

def sample(G, z):
    was, images = G.training, []
    G.eval()
    for row in np.asarray(z, np.float32):
        images.append(G(mg.tensor(row[None])).detach().numpy()[0])
    G.train(was)
    return (np.stack(images) * 127.5 + 127.5).round().astype(np.uint8)
"""),
    wrong(5, "pixels from 0 to 1", LEVELS, {PIXELS: "(images[some] / 255)"}),
    wrong(5, "bytes overflow", "Arithmetic with uint8 ends at 255 and begins again. Which type has the difference?",
          {PIXELS: "((images[some] - np.uint8(127)) / 127.5)"}),
    wrong(5, "float64", SINGLE, {"(images[some] / 127.5 - 1).astype(np.float32)": "images[some] / 127.5 - 1"}),
    wrong(5, "an image twice", EACH, {PICK: "some = random.integers(len(images), size=batch)"}),
    wrong(5, "a short batch at the end of each epoch", "How many images has a batch if their number is no multiple of it?",
          {"for _ in range(steps):": "waiting = []\n    for _ in range(steps):", PICK: "waiting = waiting or list(random.permutation(len(images)))\n"
           "        some, waiting = waiting[:batch], waiting[batch:]"}),
    wrong(5, "no smoothing", "Which smoothing does training_step have unless told otherwise?", {"optimizer_d, x, z)": "optimizer_d, x, z, 0.0)"}),
    wrong(5, "sample: the running statistics move", "What does batch norm remember of a batch that it sees in training mode?",
          {"    G.eval()\n": "    G.train()\n    G(mg.tensor(np.asarray(z, np.float32)))\n    G.eval()\n"}),
    wrong(5, "the same noise in every step", "Is the noise new in each step?",
          {NOISE: "np.random.default_rng(seed).normal(size=(batch, latent))"}),
    wrong(5, "betas left out", BETAS, {"optimizer_g = mg.optim.Adam(G.parameters(), lr=lr, betas=(0.5, 0.999))": "optimizer_g = mg.optim.Adam(G.parameters(), lr=lr)"}),
    wrong(5, "one optimizer for both", WHOSE, {"mg.optim.Adam(G.parameters()": "mg.optim.Adam([*G.parameters(), *D.parameters()]"}),
    wrong(5, "a step too few", "How many times is training_step called?", {"range(steps)": "range(steps - 1)"}),
    wrong(5, "weights without a seed", SEED, {"    mg.manual_seed(seed)\n": ""}),
    wrong(5, "nothing moves", "Is training_step called with both players?", {"        training_step(G, D, optimizer_g, optimizer_d, x, z)\n": "        pass\n"}),
    wrong(5, "sample: training mode", "Ask for one image alone, and then in company. Is it the same?", {"    G.eval()\n": ""}),
    wrong(5, "sample: always back to training", MODE, {"G.train(mode)": "G.train()"}),
    wrong(5, "sample: not rounded", GREY, {DRAWN: "return ((made + 1) * 127.5).astype(np.uint8)"}),
    wrong(5, "sample: in a kept array", KEPT, {DRAWN: "kept = sample.__dict__.setdefault(made.shape, np.empty(made.shape, np.uint8))\n"
          "    kept[...] = np.rint((made + 1) * 127.5)\n    return kept"}),
    wrong(5, "sample: floats", "Right gray levels, but which dtype?", {DRAWN: "return np.rint((made + 1) * 127.5)"}),
]  # fmt: skip

# ---- right numbers, by a library

LIBRARY = "The library has the answer; the task is to find it yourself."

KNOWN_ANSWERS += [
    wrong(1, "by minigen's losses", LIBRARY, source="""
def d_loss(real, fake, smoothing=0.0):
    return mg.losses.label_smoothing_d(real, fake, smoothing)
"""),
    wrong(1, "by minigen's cross-entropy", LIBRARY, source="""
def d_loss(real, fake, smoothing=0.0):
    label = mg.ones(*real.shape, dtype=str(real.dtype)) * (1 - smoothing)
    on_real = F.binary_cross_entropy_with_logits(real, label)
    return on_real + F.binary_cross_entropy_with_logits(fake, fake.detach() * 0)
"""),
    wrong(2, "by minigen's losses", LIBRARY, source="""
def g_loss(fake):
    from minigen.losses import non_saturating_g as theirs

    return theirs(fake)
"""),
    wrong(4, "by minigen's losses", LIBRARY,
          {"g_loss(D(fake))": "getattr(mg.losses, 'non_saturating_g')(D(fake))"}),
]  # fmt: skip
