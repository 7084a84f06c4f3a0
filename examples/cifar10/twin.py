"""The network and the recipe of train.mjs in PyTorch, with the layers of the official code of the paper
on rate-based backpropagation: for a part of the training, to lay both curves side by side.

  node examples/cifar10/batches.mjs --data FOLDER --weights start.safetensors --steps 400 |
    python3 examples/cifar10/twin.py --official DIR --weights start.safetensors --out twin.csv

Pictures, their order and the first weights are those of train.mjs with the same options. DIR is a checkout of
github.com/Tab-ct/rate-based-backpropagation. Its neurons build on those of SpikingJelly 0.0.0.0.14; --spikingjelly
names a checkout of that. Without, what they need of it is below: charge, fire and reset of a LIF neuron.
"""
import argparse, json, math, struct, sys, time, types

p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
for name in 'official', 'weights', 'out':
    p.add_argument('--' + name, required=True)
p.add_argument('--spikingjelly')
p.add_argument('--threads', type=int, default=2)
o = p.parse_args()
import numpy as np, torch, torch.nn as nn, torch.nn.utils.parametrize


class BaseNode(nn.Module):
    """A LIF neuron by its equations: v ← v·(1 − 1/tau) + x; a spike from the threshold on, which is then subtracted."""

    def __init__(self, tau=2.0, decay_input=False, v_threshold=1.0, v_reset=None, detach_reset=True, step_mode='s'):
        super().__init__()
        assert v_reset is None and not decay_input
        self.memories = {}
        self.tau, self.v_threshold, self.v_reset, self.detach_reset, self.step_mode = tau, v_threshold, v_reset, detach_reset, step_mode
        self.register_memory('v', 0.0)

    def register_memory(self, name, value):
        self.memories[name] = value
        setattr(self, name, value)

    def reset(self):
        for name, value in self.memories.items():
            setattr(self, name, value)

    def v_float_to_tensor(self, x):
        if isinstance(self.v, float):
            self.v = torch.full_like(x.data, self.v)

    def neuronal_charge(self, x):
        self.v = self.v * (1 - 1 / self.tau) + x

    def neuronal_fire(self):
        return (self.v >= self.v_threshold).to(self.v)

    def neuronal_reset(self, spike):
        self.v = self.v - spike * self.v_threshold


def stand_in():
    """Modules under the names that the official code imports."""
    parts = {name: types.ModuleType(name) for name in ('spikingjelly', 'spikingjelly.activation_based', 'spikingjelly.activation_based.neuron',
                                                       'spikingjelly.activation_based.functional')}
    root, base, neuron, functional = parts.values()
    root.activation_based, base.neuron, base.functional = base, neuron, functional
    neuron.BaseNode = neuron.LIFNode = BaseNode
    functional.reset_net = lambda net: [module.reset() for module in net.modules() if isinstance(module, BaseNode)]
    sys.modules.update(parts)


sys.path[:0] = [o.spikingjelly, o.official] if o.spikingjelly else [o.official]
if not o.spikingjelly:
    stand_in()
from spikingjelly.activation_based import functional
from model.layer import CustomEvaluator, LIFLayer, ReadOut
from model.model_setting import rate_model_setting


torch.set_num_threads(o.threads)
stream = sys.stdin.buffer
head = json.loads(stream.readline())
batch, T, size, recipe = (head[key] for key in ('batch', 'timeSteps', 'size', 'recipe'))


class Sum(nn.ModuleList):
    """Neurons of one current: a spike of each."""

    def forward(self, x):
        return sum(each(x) for each in self)


class WholeNumbers(nn.Module):
    """Weights as whole numbers times a scale for each output; the gradient is that of the weights themselves."""

    def __init__(self, most):
        super().__init__()
        self.most = most

    def forward(self, weight):
        largest = weight.detach().flatten(1).abs().amax(1).double().view(-1, *[1] * (weight.dim() - 1))
        fraction, exponent = torch.frexp(largest / self.most)
        scale = torch.ldexp(torch.ceil(torch.ldexp(fraction, torch.tensor(17))), exponent - 17)  # 17 digits, rounded up
        rounded = torch.where(scale > 0, torch.round(weight.detach() / scale), 0) * scale
        return weight + (rounded.float() - weight.detach())


class Residual(nn.Module):
    def __init__(self, main):
        super().__init__()
        self.main = main

    def forward(self, x):
        return self.main(x) + x


class Network(nn.Sequential):
    """As `network` of recipe.mjs; neurons as the paper has them: soft reset, detached, sigmoid of 4."""

    def __init__(self, stages, residual, neuron, thresholds):
        if set(neuron) - {'tau'}:
            sys.exit(f'twin.py knows tau of neurons alone, got {neuron}')
        decay = torch.tensor(math.log(neuron.get('tau', 2) - 1))  # its sigmoid is 1 - 1/tau
        lif = lambda: Sum(LIFLayer(v_reset=None, thresh=float(each), decay=decay, detach_reset=True, rate_flag=True) for each in thresholds)
        layers, i = [], 3
        for stage in stages:
            for o in stage:
                chain = [nn.Conv2d(i, o, 3, padding=1, bias=False), nn.BatchNorm2d(o), lif()]
                layers += [Residual(nn.Sequential(*chain))] if residual and i == o else chain
                i = o
            layers.append(nn.AdaptiveAvgPool2d(1) if stage is stages[-1] else nn.AvgPool2d(2))
        super().__init__(*layers, nn.Flatten(), nn.Linear(i, 10))
        self.layers = len(self)
        self.readout = ReadOut()

    def forward(self, x):
        for i in range(self.layers):
            x = self[i](x)
        return self.readout(x)


def load(path):
    """The float32 tensors of a safetensors file."""
    raw = open(path, 'rb').read()
    size = struct.unpack('<Q', raw[:8])[0]
    header, data = json.loads(raw[8:8 + size]), raw[8 + size:]
    header.pop('__metadata__', None)
    return {name: torch.from_numpy(np.frombuffer(data[slice(*e['data_offsets'])], np.float32).copy()).view(e['shape']) for name, e in header.items()}


net = Network(*(recipe[key] for key in ('stages', 'residual', 'neuron', 'thresholds')))
missing, unexpected = net.load_state_dict(load(o.weights), strict=False)
missing = [name for name in missing if not name.endswith('num_batches_tracked')]
if missing or unexpected:
    sys.exit(f'--weights {o.weights}: missing {missing}, unexpected {unexpected}')
for name in head['whole']:
    layer = net.get_submodule(name.removesuffix('.weight'))
    torch.nn.utils.parametrize.register_parametrization(layer, 'weight', WholeNumbers({'int8': 127, 'int6': 31}[head['weightType']]))
rate_model_setting(net, time_step=T, step_mode='m')
# Biases and normalisation do not decay, as in the official main.py.
weights, others = [[p for p in net.parameters() if (p.dim() > 1) == is_weight] for is_weight in (True, False)]
given = recipe['optimizer']
optimizer = torch.optim.SGD([dict(params=weights, weight_decay=given['weightDecay']), dict(params=others, weight_decay=0)],
                            lr=given['lr'], momentum=given['momentum'], nesterov=given['nesterov'])
# The first part of the training: a linear warm-up, then a constant rate.
warmup = recipe['schedule']['warmup']
schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1, (step // head['stepsOfEpoch'] + 1) / warmup))
evaluator = CustomEvaluator(nn.CrossEntropyLoss(label_smoothing=recipe['loss']['labelSmoothing']), 'rate', T)
net.train()
with open(o.out, 'w') as out:
    print('step,loss,learningRate,milliseconds', file=out)
    for step in range(head['steps']):
        x = torch.from_numpy(np.frombuffer(stream.read(4 * batch * 3 * size * size), np.float32).copy()).view(batch, 3, size, size)
        y = torch.from_numpy(np.frombuffer(stream.read(4 * batch), np.int32).astype(np.int64))
        start, rate = time.perf_counter(), optimizer.param_groups[0]['lr']
        functional.reset_net(net)
        optimizer.zero_grad()
        loss = evaluator(net(x.expand(T, *x.shape).reshape(-1, *x.shape[1:])), y)
        loss.backward()
        optimizer.step()
        schedule.step()
        print(f'{step},{loss.item()},{rate},{1000 * (time.perf_counter() - start)}', file=out, flush=True)
