"""Compares what spikewasm computed for random networks with the equations, in PyTorch and float64.

    python3 tools/fidelity.py FOLDER

FOLDER is of `npm run fidelity`: a safetensors file for each network, with the network, its options
and samples, and what spikewasm got in each training step. A line of JSON is printed for each. The
definitions are those of docs/checked.md, docs/training.md and docs/networks.md; gradients are those
of PyTorch's autograd. A signal is [T, B, C, H, W]: a series has H = 1, features have H = W = 1, and
what is the same at all steps has T = 1.

A step begins with the parameters that spikewasm had before it, and PyTorch's optimizer gets
spikewasm's gradients. So errors do not add up, and Adam does not make a step of full size from a
gradient that is zero but for rounding. Where rounding may decide whether a neuron fires (NEAR), it
fires as in spikewasm; where that differs it is a flip, which is told. All other spikes must agree.
Where rounding may decide on which side of a kink a number is, as of the zero of a relu, and the
step differs, it is computed with other sides. With one choice of sides everything must agree.
"""

import ast
import copy
import fnmatch
import functools
import itertools
import json
import math
import pathlib
import re
import sys

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)

# From a threshold, a kink or a tie, as a share of the largest number there is, or of 1; more where
# potentials add up more than 16 steps.
NEAR = 1e-5
# The largest error that passes, as a share of the largest number of its kind: of a gradient's that
# of all gradients of the network, of a parameter's the longest step of any. Float32 keeps 6e-8 of a
# number; sums, normalisations and T steps leave 1e-6 of it in most networks.
BOUND = 1e-4
# So many choices of sides are tried at most, one kink first, then two, and so on. A step has rarely
# one.
MOST_WAYS = 500
# What counts as large at least. The derivative of a spike far from the threshold is a difference
# of numbers near 1, so that rounding is all that is left of it where no gradient is larger.
LEAST = dict(loss=1.0, output=1e-2, gradient=0.1, norm=0.1, parameter=1e-6, statistic=1.0, rate=1.0)
# What stands in for the derivative of a spike; x: potential minus threshold. Others are texts.
SLOPES = {
    "sigmoid": lambda x, a: a * torch.sigmoid(a * x) * torch.sigmoid(-a * x),
    "atan": lambda x, a: a / 2 / (1 + (math.pi / 2 * a * x) ** 2),
    "triangle": lambda x, a: (a - a * a * x.abs()).clamp(min=0),
    "rectangle": "where(-1/2 < alpha*x < 1/2, alpha, 0)",
    "fastSigmoid": lambda x, a: 1 / (1 + a * x.abs()) ** 2,
    "piecewiseExp": lambda x, a: a / 2 * torch.exp(-a * x.abs()),
    "erf": lambda x, a: a / math.sqrt(math.pi) * torch.exp(-((a * x) ** 2)),
}


# Equations.

BINARY = {
    ast.Add: torch.add, ast.Sub: torch.sub, ast.Mult: torch.mul, ast.Div: torch.div,
    ast.Pow: torch.pow, ast.GtE: torch.ge, ast.Gt: torch.gt, ast.LtE: torch.le, ast.Lt: torch.lt,
    ast.Eq: torch.eq, ast.NotEq: torch.ne, ast.And: torch.logical_and, ast.Or: torch.logical_or,
}
RISING = (ast.Gt, ast.GtE)
# beyond: which numbers at such a distance from a kink are taken on its other side. Of equal
# arguments the first has the derivative.
FUNCTIONS = {
    "detach": lambda beyond, x: x.detach(),
    # The derivative by a spike is the difference of both.
    "where": lambda beyond, s, x, y: torch.where(s > 0, x, y) + zero(s) * (x - y).detach(),
    "abs": lambda beyond, x: torch.where((x >= 0) ^ beyond(x), x, -x),
    "sign": lambda beyond, x: torch.where(beyond(x), -x.sign(), x.sign()),
    "min": lambda beyond, x, y: torch.where((x <= y) ^ beyond(x - y), x, y),
    "max": lambda beyond, x, y: torch.where((x >= y) ^ beyond(x - y), x, y),
    "floor": lambda beyond, x: torch.where(
        beyond(x - x.round()), 2 * x.round() - 1 - x.floor(), x.floor()),
    "round": lambda beyond, x: torch.where(
        beyond(x - x.floor() - 0.5), x.floor() + x.ceil() - x.round(), x.round()),
}


@functools.lru_cache(maxsize=None)
def lines_of(text):
    """A text read as Python, where only powers and rates look different: dv/dt = is d.v = there."""
    text = re.sub(r"\bd(\w+)\s*/\s*dt\s*=(?!=)", r"d.\1 =", text.replace("^", "**"))
    return ast.parse("\n".join(map(str.strip, text.split("\n")))).body


def comparisons(e):
    """Those that `and` joins, one behind the other; a < b < c are two."""
    if type(e) is ast.BoolOp and type(e.op) is ast.And:
        return [one for value in e.values for one in comparisons(value)]
    if type(e) is not ast.Compare:
        return [e]
    sides = [e.left, *e.comparators]
    return [ast.Compare(a, [op], [b]) for a, op, b in zip(sides, e.ops, sides[1:])]


def in_range(name, stored, lines):
    """A parameter from what is stored of it: within open bounds a map keeps it."""
    least, most, closed = -math.inf, math.inf, False
    ranges = (comparisons(line.value) for line in lines if type(line) is ast.Expr)
    for e in itertools.chain(*ranges):
        a, op, b = e.left, type(e.ops[0]), e.comparators[0]
        if name in (getattr(a, "id", ""), getattr(b, "id", "")):
            is_first, closed = type(a) is ast.Name, closed or op in (ast.GtE, ast.LtE)
            bound = ast.literal_eval(b if is_first else a)
            least, most = (bound, most) if is_first == (op in RISING) else (least, bound)
    if closed or least == -most:
        return stored.detach().clamp(least, most) + zero(stored)  # the derivative passes
    if math.inf not in (-least, most):
        return least + (most - least) * torch.sigmoid(stored)
    return least + torch.exp(-stored) if most == math.inf else most - torch.exp(-stored)


class Lines(ast.NodeVisitor):
    """Runs lines on tensors by their names. Conditions are of type bool, spikes are numbers."""

    def __init__(self, names, beyond, c=None, spike=None):
        self.names, self.beyond, self.c = {"pi": torch.tensor(math.pi)} | names, beyond, c
        self.spike = spike or self.visit

    def number(self, e):
        return self.visit(e).double()

    def condition(self, e):
        return self.visit(e) > 0

    def visit_Constant(self, e):
        return torch.tensor(float(e.value))

    def visit_Name(self, e):
        return self.names[e.id]

    def visit_UnaryOp(self, e):
        if type(e.op) is ast.Not:
            return ~self.condition(e.operand)
        return self.number(e.operand) * (-1 if type(e.op) is ast.USub else 1)

    def visit_BinOp(self, e):
        return BINARY[type(e.op)](self.number(e.left), self.number(e.right))

    def visit_BoolOp(self, e):
        return functools.reduce(BINARY[type(e.op)], map(self.condition, e.values))

    def visit_Compare(self, e):
        if len(e.ops) > 1:
            return self.visit(ast.BoolOp(ast.And(), comparisons(e)))
        a, b = self.number(e.left), self.number(e.comparators[0])
        return BINARY[type(e.ops[0])](a, b) ^ self.beyond(ast.unparse(e), a - b)

    def visit_Call(self, e):
        name, x = e.func.id, [self.number(arg) for arg in e.args]
        if name in FUNCTIONS:
            return FUNCTIONS[name](functools.partial(self.beyond, ast.unparse(e)), *x)
        return getattr(torch, name)(*x)

    def moved(self, name, rate):
        """A state one time step later."""
        at = lambda v: Lines(self.names | {name: v}, self.beyond).number(rate)
        v, dt = self.names[name], self.c["dt"]
        reads = any(getattr(e, "id", "") == name for e in ast.walk(rate))
        if self.c["solver"] == "euler" or not reads:
            return v + dt * at(v)
        rest = at(torch.zeros(()))  # dv/dt = rest + slope·v
        slope = at(torch.ones(())) - rest
        return v * torch.exp(slope * dt) + rest * torch.expm1(slope * dt) / slope

    def run(self, lines):
        """Returns the last line's value. Rates side by side all see the states before them."""
        moved, value = {}, None
        for line in lines:
            [to] = getattr(line, "targets", [None])
            if type(to) is ast.Attribute:
                moved[to.attr] = self.moved(to.attr, line.value)
                continue
            self.names |= moved
            name, moved = getattr(to, "id", None), {}
            value = (self.spike if name == "spike" else self.visit)(line.value)
            self.names[name] = value
        self.names |= moved
        return value


def windows(c):
    return c["kernelSize"], c["stride"], c["padding"]


def by_step(f, x, *more, **options):
    """A function of [N, C, H, W], at all steps."""
    return f(x.flatten(0, 1), *more, **options).unflatten(0, x.shape[:2])


def wide(numbers, x):
    """One number, one for each channel or one for each neuron of x."""
    t = torch.as_tensor(numbers).to(x).reshape(-1)
    return t.view(-1, 1, 1) if len(t) in (1, x.shape[2]) else t.view(x.shape[2:])


def matmul(c, *xs):
    """Matrices of channels and columns, of so many heads one below the other."""
    a, b = (x.flatten(3).unflatten(2, (c["heads"], -1)) for x in xs)
    a, b = a.mT if c["transposeA"] else a, b.mT if c["transposeB"] else b
    return (a @ b).flatten(2, 3)[:, :, :, None]


def resized(c):
    """Series are images of one row."""
    how = dict(mode="nearest")
    if c["mode"] != "nearest":
        how = dict(mode="bilinear", align_corners=c["alignCorners"])
    return how | (dict(scale_factor=tuple(c["scale"])) if "scale" in c else dict(size=c["to"][1:]))


def shares(c, place, sigma):
    """Of the steps 0 … maxDelay before, by a position in a kernel, which begins with the first."""
    last = c["maxDelay"]
    q, tap = place.clamp(0, last)[..., None], torch.arange(last + 1.0)
    if c["interpolation"] == "gauss":
        u = torch.exp(-(((tap - q) / (sigma[..., None].abs() + 0.27)) ** 2) / 2)
        return (u / (u.sum(-1, keepdim=True) + 1e-7)).flip(-1)
    low = q.detach().floor().clamp(max=last - 1)
    return torch.where(tap == low, low + 1 - q, torch.where(tap == low + 1, q - low, 0.0)).flip(-1)


# Functions that are linear in what changes from step to step, and softmax.
MAPS = {
    "avgPool": lambda c, x: by_step(F.avg_pool2d, x, *windows(c)),
    "sumPool": lambda c, x: by_step(F.avg_pool2d, x, *windows(c), divisor_override=1),
    "adaptiveAvgPool": lambda c, x: by_step(F.adaptive_avg_pool2d, x, c["outputSize"]),
    "flatten": lambda c, x: x.flatten(2)[..., None, None],
    "scale": lambda c, x: x * wide(c["factor"], x),
    "identity": lambda c, x: x,
    "timeMean": lambda c, x: x.mean(0, keepdim=True),
    "add": lambda c, *xs: sum(xs),
    "mul": lambda c, a, b: a * b,
    "matmul": matmul,
    "softmax": lambda c, x: x.softmax(c["axes"][0] + 2),
    "slice": lambda c, x: x.narrow(c["axes"][0] + 2, c["first"], c["to"][c["axes"][0]]),
    "permute": lambda c, x: x.permute(0, 1, *(axis + 2 for axis in c["axes"])),
    "reshape": lambda c, x: x.reshape(*x.shape[:2], *c["to"]),
    "expand": lambda c, x: x.expand(*x.shape[:2], *c["to"]),
    "upsample": lambda c, x: by_step(F.interpolate, x, **resized(c)),
    "concat": lambda c, *xs: torch.cat([x.expand(max(map(len, xs)), *x.shape[1:]) for x in xs], 2),
}


def zero(x):
    """0, with the gradient of x."""
    return x - x.detach()


def weighed(f, x, w, read=None):
    """f(x, w), where the gradient of w is that of f(read, w)."""
    return f(x, w) if read is None else f(x, w.detach()) + zero(f(read, w))


def normal(x, dims, eps):
    """Normalised values, their mean before and 1/deviation."""
    variance, m = torch.var_mean(x, dims, correction=0, keepdim=True)
    return (x - m) * (variance + eps) ** -0.5, m, (variance + eps) ** -0.5


def centred(x, xhat, dims):
    """0, with the gradient d - mean d - x̂·mean(d·x̂) by x."""
    d = zero(x)
    return d - d.mean(dims, keepdim=True) - xhat * (xhat * d).mean(dims, keepdim=True)


def counted(o, y):
    """How much each target counts: the share that is no NaN, by the weight of its class."""
    known = (~y.isnan()).double().mean(-1)
    return known * torch.tensor(o["classWeights"])[y.argmax(-1)] if "classWeights" in o else known


def each_loss(o, z, y, n):
    """Of samples, of outputs z or their sums over n steps. y: values, or 1 for the right class."""
    shares, known, y = counted(o, y), ~y.isnan(), y.nan_to_num()
    if o["kind"] == "mse":
        low, high = o["incorrectRate"], o["correctRate"]
        wanted = n * (low + (high - low) * y) if o["targets"] == "labels" else y
        return (known * (z - wanted) ** 2).mean(1)
    how = dict(label_smoothing=o.get("labelSmoothing", 0), reduction="none")
    weight = torch.tensor(o["classWeights"]) if "classWeights" in o else None
    entropy = known[:, 0] * F.cross_entropy(z, y.argmax(1), weight, **how)
    distance = shares * ((z - o.get("mean", y)) ** 2).mean(1)
    return torch.lerp(entropy, distance, o.get("lambda", o["mixed"]))


def named(patterns, name):
    return any(fnmatch.fnmatchcase(name, q) for p in patterns for q in (p, p + ".*"))


def largest(tensors):
    return max((float(t.detach().abs().max()) for t in tensors), default=0.0)


class Net:
    """A batch. seen: spikes of spikewasm; turned: kinks of which the other side is taken."""

    def __init__(self, case, at, p, stats, seen, masks=None, turned=()):
        self.at, self.p, self.stats, self.seen = at, p, stats, seen
        self.masks, self.turned, self.training = masks, turned, masks is not None
        self.case, self.options, self.T = case, case["compile"], case["compile"]["timeSteps"]
        self.method = self.options["method"] if self.training else "none"
        self.online, self.rate = self.method in ("ottt", "sltt", "os"), self.method == "rate"
        self.segment = self.options.get("truncate", self.T)
        self.kept, self.rates, self.t = {}, {}, 0
        self.flips, self.faults, self.kinks = [], [], []

    def run(self, x):
        """The next steps; returns the outputs, the network's own last."""
        self.made, self.read, outputs = {0: x}, {}, self.case["outputs"]
        ends = [self.signal(i) for i in (outputs if self.training else outputs[-1:])]
        self.t += len(x)
        return ends

    def signal(self, i):
        """Of a node; of linear ones also what a weight's gradient reads, where that is another."""
        if i not in self.made:
            c = self.case["nodes"][i]
            inputs, f = c["inputs"], getattr(self, c["kind"], MAPS.get(c["kind"]))
            xs = [self.signal(k) for k in inputs]
            self.made[i] = f(c, *xs)
            if any(k in self.read for k in inputs) and c["kind"] in [*MAPS, "dropout"]:
                read = [self.read.get(k, x.mean(0, keepdim=True)) for k, x in zip(inputs, xs)]
                self.read[i] = f(c, *read)
        return self.made[i]

    def alike(self, x):
        """x; in method rate with the mean over time of its gradient at every step."""
        return x.detach() + zero(x.mean(0, keepdim=True)) if self.rate else x

    def beyond(self, c, what, distance):
        """Which numbers are taken on the other side of a kink: some where rounding decides."""
        x, others = distance.detach().abs(), torch.zeros(distance.shape, dtype=torch.bool)
        near = (x > 0) & (x < NEAR * max(1.0, float(x.max())))
        for place in map(tuple, near.nonzero().tolist() if self.training else []):
            self.kinks.append((c["at"], what, self.t, place))
            if self.kinks[-1] in self.turned:
                others[place] = True
                self.flips.append([self.at, c["name"], what, 1, float(x[place])])
        return others

    # Layers.

    def conv(self, c, x):
        n, before = c["name"], self.case["nodes"][c["inputs"][0]]
        w, b, read = self.p[n + ".weight"], self.p.get(n + ".bias"), self.read.get(before["at"])
        if c.get("standardise"):
            rows = w.flatten(1)
            scale = (rows.shape[1] * rows.var(1, keepdim=True) + 1e-4) ** -0.5
            rows = self.p[n + ".gain"].view(-1, 1) * (rows - rows.mean(1, keepdim=True)) * scale
            w = rows.view_as(w)
        if self.method == "ottt" and "leak" in before:
            steps = [self.kept.get(n, torch.zeros(())), *x.detach()]
            traces = [*itertools.accumulate(steps, lambda trace, s: before["leak"] * trace + s)]
            read, self.kept[n] = torch.stack(traces[1:]), traces[-1]

        def sums(x, w):
            if c["kind"] == "linear":
                return F.linear(x.flatten(2), w)[..., None, None]
            w, groups, dilation = w.view(*w.shape[:2], *c["kernelSize"]), c["groups"], c.get("dilation", 1)
            _, stride, padding = windows(c)
            if c["kind"] == "conv":
                return by_step(F.conv2d, x, w, None, stride, padding, dilation, groups)
            more = c["outputPadding"], groups, dilation
            return by_step(F.conv_transpose2d, x, w, None, stride, padding, *more)

        return weighed(sums, x, w, read) + (0 if b is None else b.view(-1, 1, 1))

    linear = convTranspose = conv

    def parameter(self, c):
        return self.p[c["name"]].view(1, 1, *c["to"]).expand(1, self.made[0].shape[1], -1, -1, -1)

    def normalised(self, x, dims, eps):
        xhat, _, inverse = normal(x, dims, eps)
        if not self.rate:
            return xhat
        # The gradient is made of means over time.
        mean_xhat, inverse = (t.detach().mean(0, keepdim=True) for t in (xhat, inverse))
        return xhat.detach() + inverse * centred(x, mean_xhat, [d for d in dims if d > 0])

    def batchNorm(self, c, x):
        w, b = (self.p[f"{c['name']}.{k}"] for k in ("weight", "bias"))
        running = [self.stats[f"{c['name']}.running_{k}"] for k in ("mean", "var")]
        if not self.training:
            return by_step(F.batch_norm, x, *running, w, b, eps=c["eps"])
        if self.method == "os":
            return self.all_time(c, x, wide(w, x), wide(b, x), running)
        dims = (0, 1, 3, 4) if self.options["stepMode"] == "m" else (1, 3, 4)
        for part in x.detach().split(len(x) if 0 in dims else 1):  # moves running statistics
            F.batch_norm(part.flatten(0, 1), *running, training=True, momentum=c["momentum"])
        return wide(w, x) * self.normalised(x, dims, c["eps"]) + wide(b, x)

    def all_time(self, c, x, w, b, running):
        """Method os: running statistics normalise, and move behind the last step."""
        dims, by_layer = (1, 3, 4), self.options.get("normFallback") == "layer"
        start = [*(wide(t.clone(), x) for t in running), []]
        m, variance, steps = self.kept.setdefault(c["name"], start)
        steps.extend(x.detach())
        if len(steps) == self.T:
            every = torch.var_mean(torch.stack(steps), (0, 1, 3, 4), correction=0)
            for t, moment in zip(running, every[::-1]):
                t += c["momentum"] * (moment - t)
        xhat, mu, inverse = normal(x.detach(), dims, c["eps"])
        frozen, bound = (variance + c["eps"]) ** -0.5, 50 if self.options["frames"] else 20
        ratio = torch.maximum(inverse / frozen, frozen / inverse) / bound
        runs = (ratio <= 1) ^ self.beyond(c, "the bound of deviations", ratio - 1)
        runs = runs.all(2, keepdim=True) if by_layer else runs
        value = torch.where(runs, (x.detach() - m) * frozen, xhat)
        m, inverse = (torch.where(runs | by_layer, *of) for of in ((m, mu), (frozen, inverse)))
        by_x, by_w = inverse * centred(x, xhat, dims), xhat + (mu - m) * inverse
        return w.detach() * (value + by_x) + zero(w) * by_w + b

    def groupNorm(self, c, x):
        parts = c.get("groups") or x[0, 0].numel() // math.prod(c["shape"])
        y = self.normalised(x.flatten(2).unflatten(2, (parts, -1)), (3,), c["eps"])
        if c["affine"]:
            times = x[0, 0, 0].numel() if "groups" in c else 1  # of a channel, or of each number
            w, b = (self.p[f"{c['name']}.{k}"].flatten() for k in ("weight", "bias"))
            w, b = (t.repeat_interleave(times).view(-1, y.shape[3]) for t in (w, b))
            y = y * w + b
        return y.view(x.shape)

    layerNorm = groupNorm

    def maxPool(self, c, x):
        k, s, p = windows(c)

        def sides(x):
            padded = F.pad(x, (p[1], p[1], p[0], p[0]), value=-math.inf)
            found = padded.unfold(3, k[0], s[0]).unfold(4, k[1], s[1]).flatten(5)
            return F.pad(found, (0, 1), value=-math.inf)  # two or more

        # In method rate the highest mean chooses where the gradient goes; of equal ones the first.
        means = sides((x.mean(0, keepdim=True) if self.rate else x).detach())
        high, order = means.sort(dim=-1, descending=True, stable=True)
        margin = (high[..., :1] - high[..., 1:2]).clamp(max=1)
        second = self.beyond(c, "the largest of a window", margin).long()
        if self.rate and c.get("rate") == "official" and c.get("spikes", 0) > 0:
            self.read[c["at"]] = high[..., 0]
        place = order.gather(-1, second).expand(len(x), *second.shape[1:])
        return sides(x).amax(-1).detach() + zero(sides(x).gather(-1, place)[..., 0])

    def relu(self, c, x):
        x = self.alike(x)
        return x * ((x > 0) ^ self.beyond(c, "the zero of a relu", x))

    def dropout(self, c, x):
        if not self.training:
            return x
        return x * self.masks[c["name"]].view(x.shape[1:]) / (1 - c["p"])

    def earlier(self, x):
        """What was there 0, 1, … steps before; gradients stay within their segment."""
        x = self.alike(x).expand(self.T, *x.shape[1:])
        late = [F.pad(x[: self.T - d], (0, 0) * 4 + (d, 0)) for d in range(self.T)]
        for d, y in enumerate(late):
            for t in range(d, self.T):
                if (t - d) // self.segment != t // self.segment:
                    y[t] = y[t].detach()
        return late

    def delay(self, c, x):
        late = self.earlier(x)
        if "learn" not in c:
            return sum(torch.where(wide(c["steps"], x) == d, y, 0.0) for d, y in enumerate(late))
        by = c["learn"]["maxDelay"] - self.p[c["name"] + ".delay"]
        each = shares(c["learn"], by, self.stats.get(c["name"] + ".SIG"))
        return sum(y * wide(share, x) for y, share in zip(late, each.T))

    def dcls(self, c, x):
        n, offset = c["name"], (c["maxDelay"] + 1) // 2
        each = shares(c, offset + self.p[n + ".P"][0], self.stats.get(n + ".SIG", [None])[0])
        kernel = (self.p[n + ".weight"][..., None] * each).sum(2)
        late = self.earlier(x)
        y = sum(F.linear(y.flatten(2), w) for y, w in zip(late, kernel.unbind(-1)))
        return (y + self.p.get(n + ".bias", 0))[..., None, None]

    # Neurons.

    def neuron(self, c, x):
        x = self.alike(x.expand(len(self.made[0]), *x.shape[1:]))
        lines, none, ys = lines_of(c["text"]), torch.zeros(x.shape[1:]), []
        k = {name: torch.tensor(values) for name, values in c["parameters"].items()}
        for name, stored in c["learn"].items():
            k[name] = in_range(name, self.p[f"{c['name']}.{stored}"], lines)
        k = {name: wide(value, x) for name, value in k.items()}
        lines = [line for line in lines if type(line) is ast.Assign]
        names = [getattr(to, "id", getattr(to, "attr", "")) for [to] in (e.targets for e in lines)]
        start = {name: c["init"].get(name, 0) for name in names}
        z = {name: none + (k[v] if isinstance(v, str) else v) for name, v in start.items()}
        z = self.kept.get(c["name"], z | {" trace": none.flatten(1)})
        for current in x:
            t = self.t + len(ys)
            # A step's gradient passes the state of that step alone, or those of its segment.
            if self.online or (t and t % self.segment == 0):
                z = {name: value.detach() for name, value in z.items()}
            if c.get("recurrence"):
                current = current + self.heard(c, z)
            beyond = lambda what, distance: self.beyond(c, f"{what} at time {t}", distance)
            step = Lines(z | k | dict(x=current), beyond, c, lambda e: self.spike(c, step, e, t))
            step.run(lines)
            z = {name: value.double() for name, value in step.names.items()}
            ys.append(z["spike" if "spike" in names else "output"])
        self.kept[c["name"]] = z
        if "spike" in names:
            self.rates.setdefault(c["name"], []).extend(ys)
        return torch.stack(ys)

    cell = equations = stabilizedLif = neuron

    def spike(self, c, step, e, t):
        """The first comparison has a derivative; the others let spikes through."""
        z = step.names
        if c["kind"] == "stabilizedLif":
            z["vThreshold"] = self.stabilized(c, z["u"].detach(), z, t)
        first, *others = comparisons(e)
        op = type(first.ops[0])
        low, high = step.number(first.left), step.number(first.comparators[0])
        low, high = (high, low) if op in RISING else (low, high)
        x, awake = high - low, torch.ones(z["x"].shape, dtype=torch.bool)
        for one in others:
            awake = awake & step.condition(one)
        fires = (x >= 0 if op in (ast.GtE, ast.LtE) else x > 0) & awake
        slope, near = SLOPES.get(c["surrogate"], c["surrogate"]), x.detach()
        if callable(slope):
            slope = slope(near, c["alpha"])
        else:
            given = dict(x=near, alpha=torch.tensor(c["alpha"]))
            slope = Lines(given, step.beyond).run(lines_of(slope))
        return self.fired(c, fires, near, high.detach(), awake, t) + slope * awake * zero(x)

    def heard(self, c, z):
        """What a layer's spikes of the step before add; in ottt their trace teaches the weight."""
        n, s, read = c["name"] + ".recurrent.", z["spike"].flatten(1), None
        if self.method == "ottt":
            read = z[" trace"] = s + c["leak"] * z[" trace"]
        f, w = (torch.mul, "V") if n + "V" in self.p else (F.linear, "weight")
        return (weighed(f, s, self.p[n + w], read) + self.p.get(n + "bias", 0)).view_as(z["spike"])

    def stabilized(self, c, u, z, t):
        """The threshold follows the layer's potentials; evaluation has the running one."""
        running = self.stats[c["name"] + ".running_threshold"]
        if not self.training:
            return running
        theta = torch.tensor(float(c["vThreshold"]))
        if t == 0 and u.max() > u.min():
            z[" ratio"] = (theta - u.mean()) / u.std()
        if " ratio" in z:
            theta = u.mean() + u.std() * z[" ratio"]
        running += c["momentum"] / self.T * (theta - running)
        return theta

    def fired(self, c, fires, x, u, awake, t):
        """Which neurons spike. Ties are no matter of rounding where all numbers are of few bits."""
        seen = self.seen[c["name"]][:, t].view_as(x) > 0
        near = (x.abs() < NEAR * max(1.0, self.T / 16) * max(1.0, float(u.abs().max()))) & awake
        taus = [1 / torch.tensor(v) for k, v in c["parameters"].items() if k.startswith("tau")]
        if all((torch.frac(t * 2**16) == 0).all() for t in [u, *taus]):
            near &= x != 0
        for there, found in ((near, self.flips), (~near, self.faults)):
            off = x.abs().nan_to_num(1e9)[there & (seen != fires)]
            if len(off):
                what = [self.at, c["name"], f"the threshold at time {t}"]
                found.append([*what, len(off), float(off.max())])
        return torch.where(near, seen, fires).double()

    # Losses.

    def losses(self, ends, y, weights):
        """That of all steps, or one for each step of the call."""
        o, means = self.case["loss"], torch.stack([x.mean(0).flatten(1) for x in ends])
        if o["kind"] == "selfDistillation":
            return [self.distillation(o, means, y) + self.penalties()]
        by_step = o.get("targets") == "steps"
        over = counted(o, y).sum().clamp(min=1e-30)  # weights of samples do not divide
        over = over if by_step else over * self.T
        if self.online or o["kind"] == "tet" or by_step:
            first, steps = self.t - len(self.made[0]), ends[-1].flatten(2)
            every = [
                (weights * each_loss(o, z, y[:, t] if by_step else y, 1)).sum() / over
                for t, z in enumerate(steps.expand(len(self.made[0]), -1, -1), first)
            ]
            return every if self.online else [sum(every) + self.penalties()]
        times = self.T if o["of"] == "counts" else 1
        each = weights * each_loss(o, means[-1] * times, y, times)
        return [each.sum() * self.T / over + self.penalties()]

    def penalties(self):
        total = torch.zeros(())
        for o, (name, steps) in itertools.product(self.case["penalties"], self.rates.items()):
            if named(o["layers"], name):
                d = torch.stack(steps).mean(0) - o["target"]
                total = total + o["weight"] * (d.abs() if o["norm"] == "L1" else d**2).mean()
        return total

    def distillation(self, o, zs, y):
        """Cross entropies, and divergences from the mean of the outputs that are right."""
        high, order = zs.detach().sort(dim=2, descending=True, stable=True)  # the first of equals
        exits, margin = dict(at=0, name="exits"), high[..., :1] - high[..., 1:2]
        second = self.beyond(exits, "the highest output", margin).long()
        right = y.expand_as(zs).gather(2, order.gather(2, second))
        teacher = (right * zs.detach()).sum(0) / right.sum(0).clamp(min=1)
        taught = teacher.abs().sum(1) > 1e-6  # one of zeros is none, as in its authors' code
        hot, n = o["temperature"], taught.sum().clamp(min=1)
        q, p = F.log_softmax(zs[:, taught] / hot, 2), F.softmax(teacher[taught] / hot, 1)
        divergence = F.kl_div(q, p.expand_as(q), reduction="sum") / n
        return o["alpha"] * sum(F.cross_entropy(z, y) for z in zs) + o["beta"] * hot**2 * divergence


class Training:
    """PyTorch's optimizer, an average of the parameters, and what differs from spikewasm."""

    def __init__(self, case, state):
        self.case, self.fit, o, self.learning = case, case["fit"], case["optimizer"], {}
        learns = lambda name: not re.search(r"\.(running_\w+|SIG)$", name)
        self.p = {k: v.clone().requires_grad_() for k, v in state.items() if learns(k)}
        self.average, self.sums, self.errors, self.flips, self.faults = {}, [], {}, [], []
        kinds = {c["name"]: c["kind"] for c in case["nodes"][1:]}
        own_decay = [c["name"] for c in case["nodes"][1:] if c["kind"] == "parameter" and c["decays"]]
        for name, p in self.p.items():
            layer, _, role = name.partition(".")
            decays = role in ("recurrent.weight", "recurrent.V") or o["decay"] == "all"
            decays = decays or role == "weight" and kinds[layer] in ("conv", "convTranspose", "linear", "dcls")
            decays = decays or name in own_decay
            own = next((g for g in o["groups"] if named(g["params"], name)), {})
            decay = own.get("weightDecay", o["weightDecay"] if decays else 0)
            if not named(self.fit.get("freeze", []), name):
                rate = own.get("lr", o["lr"])
                self.learning[name] = dict(params=[p], weight_decay=decay, rate=rate)
        make = next(of for k, of in vars(torch.optim).items() if k.lower() == o["kind"].lower())
        own = {k: v for k, v in o.items() if k not in ("kind", "weightDecay", "decay", "groups")}
        self.optimizer = make([*self.learning.values()] or [torch.zeros(())], **own)

    def gradients(self, net, losses, wanted, due):
        """Gradients as the optimizer gets them, and their norm before clipping."""
        p, over, tried = self.p, net.T if net.rate else 1, []  # those of method rate are over T
        ties = sum(0 * q.sum() for q in p.values())  # so that each parameter has a gradient
        every = [torch.autograd.grad(loss / over + ties, [*p.values()], retain_graph=True)
                 for loss in losses]
        # SLTT-K draws its steps: some K of them must give the gradient.
        for some in itertools.combinations(every, net.options.get("backwardSteps", len(every))):
            raw, norm = {k: sum(of) for k, of in zip(p, zip(*some))}, None
            for k, q in p.items():
                parts = [*self.sums, raw] if due and k in self.learning else [raw]
                q.grad = sum(of[k] for of in parts) / len(parts)
            if due:
                learns, most = [p[k] for k in self.learning], self.fit.get("clipNorm", math.inf)
                norm = torch.nn.utils.clip_grad_norm_(learns, most)
            off = largest(wanted[k] - q.grad for k, q in p.items())
            tried.append((off, len(tried), raw, {k: q.grad for k, q in p.items()}, norm))
        _, _, raw, grads, norm = min(tried)
        self.sums = [] if due else [*self.sums, raw]
        return grads, norm

    def move(self, grads, factor):
        for k, group in self.learning.items():
            group["lr"], self.p[k].grad = group["rate"] * factor, grads[k].clone()
        self.optimizer.step()
        for k, now in self.p.items():
            now = now.detach()
            self.average[k] = torch.lerp(now, self.average.get(k, now), self.fit.get("ema", 0.0))

    def see(self, what, where, got, wanted, large=None, rounding=0.0):
        """Keeps the worst error. large: what it is a share of, or the least that it is."""
        got, wanted = (torch.as_tensor(t).detach().reshape(-1) for t in (got, wanted))
        large = max(LEAST[what.split()[-1]], largest([wanted]) if large is None else large)
        off = ((got - wanted).abs() - rounding).clamp(min=0).nan_to_num(1e9, 1e9).max()
        self.errors[what] = max(self.errors.get(what, [-1.0]), [float(off) / large, where])

    def step(self, index, part, turned):
        """Trains one step, and compares."""
        at, got, given = f"step {index}", self.case["steps"][index], part(f"step {index}")
        before, after = part(f"state {index}"), part(f"state {index + 1}")
        for k, p in self.p.items():
            p.data.copy_(before[k])
        for c in self.case["nodes"][1:]:  # positions are kept within their kernels
            if c["kind"] == "dcls":
                offset = (c["maxDelay"] + 1) // 2
                self.p[c["name"] + ".P"].data.clamp_(-offset, c["maxDelay"] - offset)
            elif c["kind"] == "delay" and "learn" in c:
                self.p[c["name"] + ".delay"].data.clamp_(0, c["learn"]["maxDelay"])
        stats = {k: before[k].clone() for k in before if k not in self.p}
        net = Net(self.case, at, self.p, stats, part(at + "/spikes"), part(at + "/mask"), turned)
        wanted, loss, outputs = part(at + "/gradient"), 0.0, []
        goes_on, batches = net.options.get("update") == "everyStep", len(self.sums) + 1
        due = batches == self.fit.get("accumulate", 1) or index + 1 == self.case["planned"]
        for x in given["x"].split(1 if goes_on else net.T):
            ends = net.run(x)
            losses = net.losses(ends, given["y"], given.get("weights", torch.ones(())))
            grads, norm = self.gradients(net, losses, wanted, due)
            loss, outputs = loss + sum(losses).detach(), [*outputs, ends[-1].detach()]
            if due:
                self.move(grads if goes_on else wanted, got["factor"])
        self.see("loss", at, got["loss"], loss)
        self.see("output", at, given["output"], torch.cat(outputs).mean(0))
        large, longest = largest(grads.values()), largest(p - before[k] for k, p in self.p.items())
        for k, p in self.p.items():
            self.see("gradient", f"{at}, {k}", wanted[k], grads[k], large)
            rounding = 2e-7 * (net.T if goes_on else 1) * p.detach().abs().reshape(-1)
            self.see("parameter", f"{at}, {k}", after[k], p, longest, rounding)
        if "gradientNorm" in got:
            self.see("gradient norm", at, got["gradientNorm"], norm)
        for k, v in stats.items():
            self.see("running statistic", f"{at}, {k}", after[k], v)
        for k, steps in net.rates.items():
            self.see("firing rate", f"{at}, {k}", got["rates"][k], torch.stack(steps).mean())
        self.flips, self.faults = self.flips + net.flips, self.faults + net.faults
        self.kinks = net.kinks
        return self

    def differs(self):
        return len(self.faults) > 0 or any(error > BOUND for error, _ in self.errors.values())


def ways(kinks):
    """Kinks to turn: first those of one number at all steps together, then each alone."""
    steps = {}
    for kink in kinks:
        steps.setdefault((*kink[:3], kink[3][1:]), []).append(kink)
    for parts in (list(steps.values()), [[kink] for kink in kinks]):
        some = (of for n in range(len(parts)) for of in itertools.combinations(parts, n + 1))
        yield from (sum(of, []) for of in itertools.islice(some, MOST_WAYS))


def check(path):
    case, tensors = read(path)
    part = lambda of: {k[len(of) + 1:]: v for k, v in tensors.items() if k.startswith(of + "/")}
    training, last = Training(case, part("state 0")), len(case["steps"])
    for index in range(last):
        before, training = copy.deepcopy(training), training.step(index, part, ())
        if training.differs() and not before.differs():
            tried = (copy.deepcopy(before).step(index, part, way) for way in ways(training.kinks))
            training = next((other for other in tried if not other.differs()), training)
    for k, v in training.average.items() if "ema" in case["fit"] else []:
        training.see("average of a parameter", k, tensors["average/" + k], v)
    state = part(f"state {last}")
    net = Net(case, "prediction", state, state, part("predict/spikes"))
    output = net.run(tensors[f"step {last - 1}/x"])[-1].mean(0)
    training.see("predicted output", "predict", tensors["predict/output"], output)
    wrong = {what: found for what, found in training.errors.items() if found[0] > BOUND}
    flips, faults = training.flips + net.flips, training.faults + net.faults
    verdict = "wrong" if wrong or faults else "flip" if flips else "same"
    return dict(network=case["index"], verdict=verdict, errors=training.errors, wrong=wrong,
                flips=flips, faults=faults)


def read(path):
    """What a file says of the network, and its tensors."""
    data = bytearray(path.read_bytes())
    size = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:size])
    case = json.loads(header.pop("__metadata__")["case"].replace('"Infinity"', "Infinity"))
    numbers = torch.frombuffer(data[size:], dtype=torch.float32).double()
    cut = lambda t: numbers[slice(*(at // 4 for at in t["data_offsets"]))].view(t["shape"])
    return case, {name: cut(t) for name, t in header.items()}


if __name__ == "__main__":
    for path in sorted(pathlib.Path(sys.argv[1]).glob("*.safetensors")):
        print(json.dumps(check(path)), flush=True)
