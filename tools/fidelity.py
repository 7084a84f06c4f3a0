"""Compares what spikewasm computed for random networks with the equations, in PyTorch and float64.

    python3 tools/fidelity.py FOLDER

FOLDER is of `npm run fidelity`: a safetensors file for each network, with the network, its options
and samples, and what spikewasm got in each training step. A line of JSON is printed for each. The
definitions are those of docs/checked.md, docs/training.md and docs/networks.md; gradients are those
of PyTorch's autograd. Shapes are [B, C, H, W] everywhere: a series has H = 1, features H = W = 1.

A step begins with the parameters that spikewasm had before it, and PyTorch's optimizer gets
spikewasm's gradients. So errors do not add up, and Adam does not make a step of full size from a
gradient that is zero but for rounding. Where rounding may decide whether a neuron fires (NEAR), it
fires as in spikewasm; where that differs it is a flip, which is told. All other spikes must agree.
"""

import collections
import fnmatch
import importlib.util
import itertools
import json
import math
import pathlib
import re
import struct
import sys

if "--check" in sys.argv:  # whether it could run, without the seconds that importing takes
    missing = [name for name in ("torch", "numpy") if not importlib.util.find_spec(name)]
    sys.exit(f"no module named {' and '.join(missing)}" if missing else 0)

import numpy as np
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
# What counts as large at least. The derivative of a spike far from the threshold is a difference
# of numbers near 1, so that rounding is all that is left of it where no gradient is larger.
LEAST = dict(loss=1.0, output=1e-2, gradient=0.1, norm=0.1, parameter=1e-6, statistic=1.0, rate=1.0)
# What stands in for the derivative of a spike; x: potential minus threshold.
SLOPES = {
    "sigmoid": lambda x, a: a * torch.sigmoid(a * x) * torch.sigmoid(-a * x),
    "atan": lambda x, a: a / 2 / (1 + (math.pi / 2 * a * x) ** 2),
    "triangle": lambda x, a: (a - a * a * x.abs()).clamp(min=0),
    "rectangle": lambda x, a: a * (x.abs() < 1 / (2 * a)),
    "fastSigmoid": lambda x, a: 1 / (1 + a * x.abs()) ** 2,
    "piecewiseExp": lambda x, a: a / 2 * torch.exp(-a * x.abs()),
    "erf": lambda x, a: a / math.sqrt(math.pi) * torch.exp(-((a * x) ** 2)),
}
# What cells learn, by the names of parameters. Of time constants it is w, with 1/tau = sigmoid(w).
ROLES = dict(tau="w", tauSyn="w_syn", tauAdaptation="w_adaptation", vThreshold="v_threshold",
             beta="beta")
CONSTANTS = [*ROLES, "vReset", "vRest", "inputScale"]

# xs: the signal at all steps, or one for a time mean. m: its mean, with method rate's gradient.
# trace: the leak of the neurons that made it. spikes: the factor of one layer's spikes.
Signal = collections.namedtuple("Signal", "xs m trace spikes", defaults=[None, None, None])


def mean(xs):
    return sum(xs) / len(xs)


def line(value, *slopes):
    """`value`, with a derivative `factor` by each variable."""
    return value.detach() + sum(f.detach() * (v - v.detach()) for f, v in slopes)


def wide(t, shape):
    """One number, one for each channel or one for each neuron."""
    t = torch.as_tensor(t).reshape(-1)
    return t.view(1, -1, 1, 1) if len(t) in (1, shape[1]) else t.view(1, *shape[1:])


def pair(size, row):
    return tuple(size) if isinstance(size, list) else (row, size)


def windows(c):
    return pair(c["kernelSize"], 1), pair(c["stride"], 1), pair(c["padding"], 0)


LINEAR = {
    "avgPool": lambda c, x: F.avg_pool2d(x, *windows(c)),
    "sumPool": lambda c, x: F.avg_pool2d(x, *windows(c), divisor_override=1),
    "adaptiveAvgPool": lambda c, x: F.adaptive_avg_pool2d(x, pair(c["outputSize"], 1)),
    "flatten": lambda c, x: x.reshape(len(x), -1, 1, 1),
    "scale": lambda c, x: x * wide(c["factor"], x.shape),
    "identity": lambda c, x: x,
}


def normal(x, dims, eps):
    """Normalised values, and 1/deviation."""
    inverse = (x.var(dims, False, keepdim=True) + eps) ** -0.5
    return (x - x.mean(dims, keepdim=True)) * inverse, inverse


def through_statistics(value, inverse, xhat, x, dims):
    """`value`, with the gradient inverse·(d − mean d − x̂·mean(d·x̂)) by x."""
    d, xhat = x - x.detach(), xhat.detach()
    d = d - d.mean(dims, keepdim=True) - xhat * (xhat * d).mean(dims, keepdim=True)
    return value.detach() + inverse.detach() * d


def named(patterns, name):
    patterns = [patterns] if isinstance(patterns, str) else patterns
    return any(fnmatch.fnmatchcase(name, q) for p in patterns for q in (p, p + ".*"))


class Spike(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, fired, slope):
        ctx.slope = slope
        return fired.to(x)

    @staticmethod
    def backward(ctx, gradient):
        return gradient * ctx.slope, None, None


class Net:
    def __init__(self, case, state):
        self.case, self.T, graph = case, case["compile"]["timeSteps"], case["network"]
        self.method, self.mode = case["compile"]["method"], case["compile"]["stepMode"]
        self.online = self.method in ("ottt", "sltt", "os")
        self.ends = [i for _, i in graph.get("outputs", [["", graph["output"]]])]
        self.flips, self.kinks, self.faults = [], [], []
        self.load(state)

    def load(self, state):
        self.stats = {k: v.clone() for k, v in state.items() if ".running_" in k}
        self.p = {k: v.clone().requires_grad_() for k, v in state.items() if k not in self.stats}

    def begin(self, training, spikes, masks, index):
        """A new batch."""
        self.training, self.spikes, self.masks, self.index = training, spikes, masks, index
        self.rate = training and self.method == "rate"
        self.kept, self.rates, self.t = {}, collections.defaultdict(list), 0

    def run(self, frames):
        """The next steps; returns the outputs, the network's own last."""
        signals = [Signal(frames, mean(frames) if self.rate else None)]
        needed = set(self.ends if self.training else self.ends[-1:])
        nodes = list(enumerate(self.case["network"]["nodes"], 1))
        for i, node in reversed(nodes):
            needed |= set(node["inputs"]) if i in needed else set()
        for i, node in nodes:
            kind = re.sub("[12]d$", "", node["kind"])
            read = [signals[k] for k in node["inputs"]]
            c = dict(node.get("layer", {}), name=node["name"], kind=kind)
            signals.append(getattr(self, kind, self.linear_map)(c, *read) if i in needed else None)
        self.t += len(frames)
        return [signals[i] for i in self.ends if signals[i]]

    def near(self, c, distances, what):
        """Notes where rounding may choose another slope, which nobody sees."""
        x = distances[distances != 0].abs()
        if self.training and x.numel() and float(x.min()) < NEAR * max(1.0, float(x.max())):
            self.kinks.append([c["name"], what, float(x.min())])

    def each(self, f, v, **nature):
        """A function of a step alone, which is its own gradient rule."""
        xs = [f(x.detach()).detach() if self.rate else f(x) for x in v.xs]
        return Signal(xs, f(v.m) if self.rate else None, **nature)

    def over(self, v):
        """All steps of the batch, or of this call."""
        return v.xs if self.online or len(v.xs) == self.T else v.xs * self.T

    # Layers.

    def linear_map(self, c, v):
        spikes = v.spikes if c["kind"] in ("flatten", "identity") else None
        if c["kind"] == "scale" and v.spikes and isinstance(c["factor"], (int, float)):
            spikes = v.spikes * c["factor"]
        return self.each(lambda x: LINEAR[c["kind"]](c, x), v, trace=v.trace, spikes=spikes)

    def conv(self, c, v):
        def apply(x, w, b):
            if c["kind"] == "linear":
                return F.linear(x.flatten(1), w, b)[..., None, None]
            w = w if w.dim() == 4 else w.unsqueeze(2)
            return F.conv2d(x, w, b, *windows(c)[1:], groups=c["groups"])

        n = c["name"]
        w, b = self.p[n + ".weight"], self.p.get(n + ".bias")
        if c["standardise"]:
            rows = w.flatten(1)
            scale = (rows.shape[1] * rows.var(1, keepdim=True) + 1e-4) ** -0.5
            rows = self.p[n + ".gain"].view(-1, 1) * (rows - rows.mean(1, keepdim=True)) * scale
            w = rows.view_as(w)
        if not (self.training and self.method == "ottt" and v.trace is not None):
            return self.each(lambda x: apply(x, w, b), v)
        xs = []
        for x in v.xs:
            self.kept[n] = trace = x.detach() + v.trace * self.kept.get(n, 0)
            traced = apply(trace, w, None)
            xs.append(apply(x, w.detach(), b) + traced - traced.detach())
        return Signal(xs)

    linear = conv

    def batchNorm(self, c, v):
        n, shape, momentum = c["name"], v.xs[0].shape, c["momentum"]
        gamma, beta = (wide(self.p[f"{n}.{k}"], shape) for k in ("weight", "bias"))
        running, variance = self.stats[n + ".running_mean"], self.stats[n + ".running_var"]
        if not self.training:
            scale = gamma * (wide(variance, shape) + c["eps"]) ** -0.5
            return self.each(lambda x: (x - wide(running, shape)) * scale + beta, v)
        if self.method == "os":
            return Signal([self.all_time(c, x, gamma, beta) for x in v.xs])
        xhats, inverses, dims = [], [], (0, 1, 3, 4)
        for x in [torch.stack(v.xs)] if self.mode == "m" else [x[None] for x in v.xs]:
            xhat, inverse = normal(x, dims, c["eps"])
            xhats, inverses = xhats + list(xhat), inverses + [inverse[0]]
            running += momentum * (x.detach().mean(dims) - running)
            variance += momentum * (x.detach().var(dims) - variance)
        xs = [gamma * x + beta for x in xhats]
        if not self.rate:
            return Signal(xs)
        xhat = mean(xhats)
        z = through_statistics(xhat, mean(inverses), xhat, v.m, (0, 2, 3))
        return Signal([x.detach() for x in xs], gamma * z + beta)

    def all_time(self, c, x, gamma, beta):
        """Method os: running statistics normalise, and move behind the last step."""
        names = [f"{c['name']}.running_{k}" for k in ("mean", "var")]
        dims, xd = (0, 2, 3), x.detach()
        if c["name"] not in self.kept:
            self.kept[c["name"]] = [*(wide(self.stats[k].clone(), x.shape) for k in names), [], []]
        m, variance, means, squares = self.kept[c["name"]]
        mu, (xhat, inverse) = xd.mean(dims, keepdim=True), normal(xd, dims, c["eps"])
        means.append(mu)
        squares.append((xd**2).mean(dims, keepdim=True))
        if len(means) == self.T:
            for k, moment in zip(names, (mean(means), mean(squares) - mean(means) ** 2)):
                self.stats[k] += c["momentum"] * (moment.flatten() - self.stats[k])
        frozen = (variance + c["eps"]) ** -0.5
        ratio = torch.maximum(inverse / frozen, frozen / inverse)
        bound = 50 if self.case["compile"]["frames"] else 20
        self.near(c, ratio / bound - 1, "bound of deviations")
        by_layer = self.case["compile"].get("normFallback") == "layer"
        runs = (ratio <= bound).all() if by_layer else ratio <= bound
        value = torch.where(runs, (xd - m) * frozen, xhat)
        used_m = torch.where(runs | by_layer, m, mu)
        used = torch.where(runs | by_layer, frozen, inverse)
        y = through_statistics(gamma * value + beta, gamma * used, xhat, x, dims)
        return y + line(0 * y, (xhat + (mu - used_m) * used, gamma), (torch.ones(()), beta))

    def groupNorm(self, c, v):
        shape = v.xs[0].shape
        parts = c.get("groups") or math.prod(shape[1:]) // math.prod(c["shape"])
        rows = lambda x: x.reshape(len(x), parts, -1)

        def affine(x):
            if not c["affine"]:
                return x.view(shape)
            w, b = (self.p[f"{c['name']}.{k}"].flatten() for k in ("weight", "bias"))
            if c["kind"] == "layerNorm":
                return (x * w + b).view(shape)
            return x.view(shape) * wide(w, shape) + wide(b, shape)

        both = [normal(rows(x), 2, c["eps"]) for x in v.xs]
        xs = [affine(xhat) for xhat, _ in both]
        if not self.rate:
            return Signal(xs)
        xhat, inverse = (mean(of) for of in zip(*both))
        m = affine(through_statistics(xhat, inverse, xhat, rows(v.m), 2))
        return Signal([x.detach() for x in xs], m)

    layerNorm = groupNorm

    def maxPool(self, c, v):
        k, s, p = windows(c)

        def pool(x, routed):
            """x chooses the places from which `routed` comes."""
            padded = F.pad(x.detach(), (p[1], p[1], p[0], p[0]), value=-math.inf)
            sides = padded.unfold(2, k[0], s[0]).unfold(3, k[1], s[1]).flatten(4)
            if sides.shape[4] > 1:
                high = sides.topk(2).values
                self.near(c, (high[..., 0] - high[..., 1]).clamp(max=1), "largest of a window")
            at = F.max_pool2d(x, k, s, p, return_indices=True)[1]
            return routed.flatten(2).gather(2, at.flatten(2)).view_as(at)

        nature = dict(trace=v.trace, spikes=v.spikes)
        if not self.rate:
            return self.each(lambda x: pool(x, x), v, **nature)
        xs, highest = [pool(x, x) for x in v.xs], pool(mean(v.xs), mean(v.xs))
        official = c.get("rate") == "official" and (v.spikes or 0) > 0
        m = line(highest if official else mean(xs), (torch.ones(()), pool(mean(v.xs), v.m)))
        return Signal(xs, m, **nature)

    def relu(self, c, v):
        for x in v.xs:
            self.near(c, x.detach(), "zero of a relu")
        xs, slope = [F.relu(x) for x in v.xs], mean([(x > 0).double() for x in v.xs])
        return Signal(xs, line(mean(xs), (slope, v.m)) if self.rate else None)

    def dropout(self, c, v):
        if not self.training or c["p"] == 0:
            return v
        mask = self.masks[c["name"]].view(v.xs[0].shape) / (1 - c["p"])
        return self.each(lambda x: x * mask, v, trace=v.trace, spikes=v.spikes)

    def delay(self, c, v):
        xs = self.over(v)
        by, zero = wide(c["steps"], xs[0].shape), torch.zeros_like(xs[0])
        late = lambda t: sum((torch.where(by == d, xs[t - d], 0.0) for d in range(t + 1)), zero)
        ys = [late(t) for t in range(self.T)]
        share = (self.T - by).clamp(min=0) / self.T
        return Signal(ys, line(mean(ys), (share, v.m)) if self.rate else None, v.trace, v.spikes)

    def timeMean(self, c, v):
        return Signal([mean(v.xs)], v.m)

    def add(self, c, *vs, f=sum, spikes=None):
        steps = max(len(v.xs) for v in vs)
        xs = [f(x) for x in zip(*(v.xs if len(v.xs) == steps else v.xs * steps for v in vs))]
        same = vs[0].trace if len({v.trace for v in vs}) == 1 else None
        return Signal(xs, f([v.m for v in vs]) if self.rate else None, same, spikes)

    def concat(self, c, *vs):
        same = vs[0].spikes if len({v.spikes for v in vs}) == 1 else None
        return self.add(c, *vs, f=lambda x: torch.cat(list(x), 1), spikes=same)

    # Neurons.

    def cell(self, c, v):
        xs, shape = self.over(v), v.xs[0].shape
        learn = c.get("learn", ["tau"] if c.get("learnable") else [])
        k, m, spiking = {}, None, c.get("vThreshold") is not None
        for key in CONSTANTS:
            value, is_time = c.get(key), key.startswith("tau")
            if key in learn:
                value = self.p[f"{c['name']}.{ROLES[key]}"]
                value = torch.sigmoid(value) if is_time else value
                if key == "vThreshold":
                    value = line(value.clamp(min=2**-10), (torch.ones(()), value))
            elif value is not None:
                value = 1 / np.array(value, float) if is_time else np.array(value, float)
            if value is not None:
                k[key] = wide(value, shape)
        k.setdefault("vRest", k.get("vReset", torch.zeros(())))
        if not self.rate:
            ys = self.steps(c, k, xs)
        else:
            # The derivative of a neuron's mean by a constant that is added to its input at every
            # step, and by what it learns: it depends on its own alone.
            own = {key: x.detach().expand(shape).clone().requires_grad_() for key, x in k.items()}
            added = torch.zeros(shape, requires_grad=True)
            ys = self.steps(c, own, [x.detach() + added for x in xs])
            by = [added] + [own[key] for key in learn]
            slopes = torch.autograd.grad(mean(ys).sum(), by, allow_unused=True)
            slopes = [torch.zeros(shape) if g is None else g for g in slopes]
            ys = [y.detach() for y in ys]
            m = line(mean(ys), *zip(slopes, [v.m] + [k[key].expand(shape) for key in learn]))
        if spiking:
            self.rates[c["name"]] += [m] if self.rate else ys
        tau = c["tau"] if isinstance(c["tau"], (int, float)) else math.nan
        return Signal(ys, m, 1 - 1 / tau if spiking else None, 1 if spiking else None)

    neuron = stabilizedLif = cell

    def steps(self, c, k, xs):
        n, zero, ys = c["name"], torch.zeros(xs[0].shape), []
        if n not in self.kept:
            self.kept[n] = dict(v=k.get("vReset", zero) + zero, ratio=None,
                                **{key: zero for key in ("i", "a", "s", "rest", "before")})
        for x in xs:
            z = self.kept[n]
            if self.online:  # A step's gradient passes the state of that step alone.
                z = {key: y if y is None else y.detach() for key, y in z.items()}
            y, self.kept[n] = self.step(c, k, x, z, self.t + len(ys))
            ys.append(y)
        return ys

    def step(self, c, k, x, z, t):
        """Output and state behind a step; v: potential, i: synaptic current, a: adaptation."""
        z, decays = dict(z), c.get("decayInput", False)
        if c.get("recurrence"):
            x = x + self.heard(c, z)
        i = x * k.get("inputScale", 1)
        if "tauSyn" in k:
            i = z["i"] = (1 - k["tauSyn"]) * z["i"] + (k["tauSyn"] * i if decays else i)
        u = z["v"] - k["tau"] * (z["v"] - k["vRest"]) + (k["tau"] * i if decays else i)
        if "vThreshold" not in k:
            z["v"] = u
            return u, z
        awake = z["rest"] <= 0
        u = torch.where(awake, u, z["v"])
        theta = k["vThreshold"]
        if c["kind"] == "stabilizedLif":
            theta = self.stabilized(c, u.detach(), z, t)
        x = u - theta - k.get("beta", 0) * z["a"]
        slope = SLOPES[c["surrogate"]](x.detach(), c["alpha"])
        if c["surrogate"] == "rectangle":
            self.near(c, x.detach().abs() - 1 / (2 * c["alpha"]), "edge of a surrogate")
        s = Spike.apply(x, self.fired(c, x.detach(), u.detach(), awake, t), slope) * awake
        r = s.detach() if c.get("detachReset", True) else s
        z["v"] = u - theta * r if c["vReset"] is None else (1 - r) * u + r * k["vReset"]
        z["rest"] = torch.where(s > 0, float(c.get("refractory", 0)), (z["rest"] - 1).clamp(min=0))
        z["s"] = s
        if "tauAdaptation" in k:
            z["a"] = (1 - k["tauAdaptation"]) * z["a"] + s
        return s, z

    def heard(self, c, z):
        """What a layer's spikes of the step before add; in ottt their trace teaches the weight."""
        n, s = c["name"] + ".recurrent.", z["s"].flatten(1)
        traced = self.method == "ottt" and self.training
        z["before"] = s + ((1 - 1 / c["tau"]) * z["before"].flatten(1) if traced else 0)
        each = n + "V" in self.p
        w, f = self.p[n + ("V" if each else "weight")], torch.mul if each else F.linear
        y = f(s, w.detach() if self.online else w) + self.p.get(n + "bias", 0)
        if self.online:
            y = y + f(z["before"], w) - f(z["before"], w).detach()
        return y.view_as(z["s"])

    def stabilized(self, c, u, z, t):
        """The threshold follows the layer's potentials; evaluation has the running one."""
        running = self.stats[c["name"] + ".running_threshold"]
        theta = torch.tensor(float(c["vThreshold"]))
        if not self.training:
            return running.view(1, 1, 1, 1)
        if t == 0 and u.max() > u.min():
            z["ratio"] = (theta - u.mean()) / u.std()
        if z["ratio"] is not None:
            theta = u.mean() + u.std() * z["ratio"]
        running += c["momentum"] / self.T * (theta - running)
        return theta

    def fired(self, c, x, u, awake, t):
        """Which neurons spike. Ties are no matter of rounding where all numbers are of few bits."""
        fired = (x > 0 if c.get("fires") == "above" else x >= 0) & awake
        seen = self.spikes[c["name"]][:, t].view_as(x) > 0
        near = (x.abs() < NEAR * max(1.0, self.T / 16) * max(1.0, float(u.abs().max()))) & awake
        if (torch.frac(u * 2**16) == 0).all():
            near &= x != 0
        for there, found in ((near, self.flips), (~near, self.faults)):
            if (there & (seen != fired)).any():
                x_there = x.abs()[there & (seen != fired)]
                found.append(dict(step=self.index, layer=c["name"], time=t, count=len(x_there),
                                  margin=float(x_there.max())))
        return torch.where(near, seen, fired)

    # Losses.

    def losses(self, ends, y):
        """That of all steps, or one for each step of the call."""
        loss = self.case["loss"]
        means = [line(mean(v.xs), (torch.ones(()), v.m)) if self.rate else mean(v.xs) for v in ends]
        if self.online or loss["kind"] == "tet":
            every = [self.loss(loss, x.flatten(1), y) / self.T for x in self.over(ends[-1])]
            return every if self.online else [sum(every) + self.penalties()]
        if loss["kind"] == "selfDistillation":
            return [distillation(loss, [z.flatten(1) for z in means], y) + self.penalties()]
        times = self.T if loss["of"] == "counts" else 1
        return [self.loss(loss, means[-1].flatten(1) * times, y, times) + self.penalties()]

    def loss(self, loss, z, y, times=1):
        if loss["kind"] == "mse" and loss["targets"] == "values":
            return F.mse_loss(z, y)
        hot = F.one_hot(y, z.shape[1]).double()
        if loss["kind"] == "mse":
            low, high = loss["incorrectRate"], loss["correctRate"]
            return F.mse_loss(z, times * (low + (high - low) * hot))
        entropy = F.cross_entropy(z, y, label_smoothing=loss.get("labelSmoothing", 0))
        if loss["kind"] == "tet":
            m, distance = loss["lambda"], ((z - loss["mean"]) ** 2).mean()
            return (1 - m) * entropy + m * distance
        m = self.case["compile"]["mseWeight"] if self.online else 0
        return (1 - m) * entropy + m * F.mse_loss(z, hot)

    def penalties(self):
        total = torch.zeros(())
        for p, (name, steps) in itertools.product(self.case["penalties"], self.rates.items()):
            if named(p["layers"], name):
                d = mean(steps) - p["target"]
                total = total + p["weight"] * (d.abs() if p["norm"] == "L1" else d**2).mean()
        return total


def distillation(loss, zs, y):
    """Cross entropies, and divergences from the mean of the outputs that are right."""
    # Of equal ones the first.
    right = [torch.as_tensor(z.detach().numpy().argmax(1)) == y for z in zs]
    right = torch.stack(right).double()[..., None]
    teacher = (right * torch.stack(zs).detach()).sum(0) / right.sum(0).clamp(min=1)
    taught = teacher.abs().sum(1) > 1e-6  # one of zeros is none, as in its authors' code
    hot, total = loss["temperature"], 0
    for z in zs:
        total = total + loss["alpha"] * F.cross_entropy(z, y)
        if taught.any():
            soft = F.log_softmax(z[taught] / hot, 1), F.softmax(teacher[taught] / hot, 1)
            total = total + loss["beta"] * hot**2 * F.kl_div(*soft, reduction="batchmean")
    return total


# Training.


class Training:
    """PyTorch's optimizer, clipping, and an average of the parameters."""

    def __init__(self, net):
        o, self.fit, self.net, self.average = net.case["optimizer"], net.case["fit"], net, None
        kinds, self.groups = {n["name"]: n["kind"] for n in net.case["network"]["nodes"]}, []
        for name, p in net.p.items():
            layer, role = name.split(".", 1)
            weighs = role == "weight" and kinds[layer] in ("conv1d", "conv2d", "linear")
            decays = weighs or role in ("recurrent.weight", "recurrent.V") or o["decay"] == "all"
            own = next((g for g in o["groups"] if named(g["params"], name)), {})
            decay = own.get("weightDecay", o["weightDecay"] if decays else 0)
            numbers = dict(weight_decay=decay, rate=own.get("lr", o["lr"]))
            if not self.frozen(name):
                self.groups.append(dict(params=[p], name=name, **numbers))
        make = dict(sgd=torch.optim.SGD, adam=torch.optim.Adam, adamW=torch.optim.AdamW)[o["kind"]]
        own = {k: o[k] for k in ("lr", "momentum", "nesterov", "betas", "eps") if k in o}
        self.optimizer = make(self.groups, **own) if self.groups else None

    def frozen(self, name):
        return named(self.fit.get("freeze", []), name)

    def clip(self, grads):
        """As PyTorch's clip_grad_norm_; the norm too."""
        learns = [g.flatten() for k, g in grads.items() if not self.frozen(k)]
        norm = torch.linalg.vector_norm(torch.cat([torch.zeros(1), *learns]))
        factor = min(1.0, self.fit["clipNorm"] / (norm + 1e-6)) if "clipNorm" in self.fit else 1.0
        return {k: g if self.frozen(k) else g * factor for k, g in grads.items()}, norm

    def move(self, grads, factor):
        for group in self.optimizer.param_groups if self.optimizer else []:
            group["lr"] = group["rate"] * factor
            group["params"][0].grad = grads[group["name"]].clone()
        if self.optimizer:
            self.optimizer.step()

    def take(self, now):
        keep, old = self.fit.get("ema", 0) if self.average else 0, self.average or self.net.p
        of = lambda k: keep * old[k].detach() + (1 - keep) * now[k].detach()
        self.average = {k: of(k) for k in self.net.p}


def gradients(net, ends, y):
    """The loss, and the gradients of each of its parts; those of method rate are over T."""
    losses, over, every = net.losses(ends, y), net.T if net.rate else 1, []
    of = dict(inputs=list(net.p.values()), allow_unused=True, retain_graph=True)
    for loss in losses:
        grads = [None] * len(net.p)
        if loss.requires_grad:
            grads = torch.autograd.grad(loss / over, **of)
        pairs = zip(net.p.items(), grads)
        every.append({k: torch.zeros_like(p) if g is None else g for (k, p), g in pairs})
    return float(sum(losses).detach()), every


def added(every):
    return {k: sum(grads[k] for grads in every) for k in every[0]}


class Judge:
    """The worst error of each quantity."""

    def __init__(self):
        self.worst = {}

    def see(self, what, where, got, wanted, large, rounding=0.0):
        """large: what the error is a share of, or the least that it is."""
        got, wanted = torch.as_tensor(got).reshape(-1), torch.as_tensor(wanted).detach().reshape(-1)
        large = max(large, LEAST[what.split()[-1]])
        error = float(((got - wanted).abs() - rounding).clamp(min=0).max()) / large
        if not error <= self.worst.get(what, [-1.0])[0]:
            self.worst[what] = [error, where]


def largest(tensors):
    return max((float(t.detach().abs().max()) for t in tensors), default=0.0)


def one_step(net, training, got, frames, y, wanted, sums, due):
    """Loss, output, gradients, their norm; parameters have moved. wanted: spikewasm's gradients."""
    fit, options = net.case["fit"], net.case["compile"]
    if options.get("update") == "everyStep":
        total, outputs = 0, []
        for frame in frames:
            ends = net.run([frame])
            loss, every = gradients(net, ends, y)
            total, outputs = total + loss, outputs + ends[-1].xs
            grads, norm = training.clip(added(every))
            training.move(grads, got["factor"])
            training.take(net.p)
        return total, mean(outputs), grads, norm

    def behind(raw):
        """What the optimizer gets: the mean of what has been accumulated, clipped."""
        of = {k: raw[k] if training.frozen(k) else mean([g[k] for g in sums + [raw]]) for k in raw}
        return training.clip(of) if due else (raw, None)

    ends = net.run(frames)
    total, every = gradients(net, ends, y)
    # SLTT-K draws its steps: some K of them must give the gradient.
    some = itertools.combinations(every, options.get("backwardSteps", len(every)))
    off = lambda raw: largest(wanted[k] - g for k, g in behind(raw)[0].items())
    raw = min(map(added, some), key=off)
    grads, norm = behind(raw)
    sums.append(raw)
    if due:
        sums.clear()
        training.move(wanted, got["factor"])
        training.take(net.p)
    return total, mean(ends[-1].xs), grads, norm


def check(path):
    case, tensors = read(path)
    in_part = lambda name, k: k.startswith(name + "/")
    part = lambda name: {k[len(name) + 1:]: v for k, v in tensors.items() if in_part(name, k)}
    judge, options, sums, density = Judge(), case["compile"], [], [0.0, 0]
    net = Net(case, part("state 0"))
    training = Training(net)
    for index, got in enumerate(case["steps"]):
        at, before, after = f"step {index}", part(f"state {index}"), part(f"state {index + 1}")
        for k, p in net.p.items():
            p.data.copy_(before[k])
        net.stats = {k: before[k].clone() for k in net.stats}
        x, y = tensors[at + "/x"], tensors[at + "/y"]
        frames = list(x.unbind(1)) if options["frames"] else [x] * net.T
        net.begin(True, part(at + "/spikes"), part(at + "/mask"), index)
        due = len(sums) + 1 == case["fit"].get("accumulate", 1) or index + 1 == case["planned"]
        wanted = part(at + "/gradient")
        y = y if case["values"] else y.long()
        loss, output, grads, norm = one_step(net, training, got, frames, y, wanted, sums, due)
        judge.see("loss", at, got["loss"], loss, abs(loss))
        judge.see("output", at, tensors[at + "/output"], output, largest([output]))
        large = largest(grads.values())
        for k, g in grads.items():
            judge.see("gradient", f"{at}, {k}", wanted[k], g, large)
        if "gradientNorm" in got:
            judge.see("gradient norm", at, got["gradientNorm"], norm, float(norm))
        step = largest([p - before[k] for k, p in net.p.items()])
        moves = net.T if options.get("update") == "everyStep" else 1
        for k, p in net.p.items():
            rounding = 2e-7 * moves * p.detach().abs().reshape(-1)
            judge.see("parameter", f"{at}, {k}", after[k], p, step, rounding)
        for k, v in net.stats.items():
            judge.see("running statistic", f"{at}, {k}", after[k], v, largest([v]))
        for k, steps in net.rates.items():
            judge.see("firing rate", f"{at}, {k}", got["rates"][k], mean(steps).mean(), 1.0)
            density = [density[0] + float(net.spikes[k].sum()), density[1] + net.spikes[k].numel()]
    for k, v in (training.average or {}).items() if "ema" in case["fit"] else []:
        judge.see("average of a parameter", k, tensors["average/" + k], v, largest([v]))
    net.load(part(f"state {len(case['steps'])}"))
    net.begin(False, part("predict/spikes"), {}, "prediction")
    with torch.no_grad():
        output = mean(net.run(frames)[-1].xs)
    judge.see("predicted output", "predict", tensors["predict/output"], output, largest([output]))
    wrong = {what: found for what, found in judge.worst.items() if not found[0] <= BOUND}
    verdict = "flip" if net.flips else "same"
    if wrong or net.faults:
        verdict = "flip" if net.kinks and not net.faults else "wrong"
    return dict(network=case["index"], verdict=verdict, errors=judge.worst, wrong=wrong,
                flips=net.flips, kinks=net.kinks, faults=net.faults, spikes=density)


def read(path):
    """What a file says of the network, and its tensors."""
    data = path.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    header, numbers = json.loads(data[8 : 8 + size]), data[8 + size :]
    case = json.loads(header.pop("__metadata__")["case"].replace('"Infinity"', "Infinity"))
    values = lambda t: np.frombuffer(numbers[slice(*t["data_offsets"])], "<f4").astype(float)
    return case, {name: torch.tensor(values(t)).view(t["shape"]) for name, t in header.items()}


if __name__ == "__main__":
    for path in sorted(pathlib.Path(sys.argv[1]).glob("*.safetensors")):
        print(json.dumps(check(path)), flush=True)
