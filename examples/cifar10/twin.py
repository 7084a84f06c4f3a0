"""The network and the recipe of train.mjs in PyTorch, with the layers of the official code of the paper
on rate-based backpropagation: for a part of the training, to lay both curves side by side.

  node examples/cifar10/batches.mjs --data FOLDER --weights start.safetensors --steps 400 |
    python3 examples/cifar10/twin.py --official DIR --spikingjelly DIR --weights start.safetensors --out twin.csv

Pictures, their order and the first weights are those of train.mjs with the same options. DIR are checkouts of
github.com/Tab-ct/rate-based-backpropagation and of github.com/fangwei123456/spikingjelly 0.0.0.0.14.
"""
import argparse, json, math, struct, sys, time

p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
for name in 'official', 'spikingjelly', 'weights', 'out':
    p.add_argument('--' + name, required=True)
p.add_argument('--threads', type=int, default=2)
o = p.parse_args()
sys.path[:0] = [o.spikingjelly, o.official]
import numpy as np, torch, torch.nn as nn
from spikingjelly.activation_based import functional
from model.layer import CustomEvaluator, LIFLayer, ReadOut
from model.model_setting import rate_model_setting

torch.set_num_threads(o.threads)
stream = sys.stdin.buffer
head = json.loads(stream.readline())
batch, T, width = head['batch'], head['timeSteps'], head['width']


class Network(nn.Sequential):
    """As `network` of recipe.mjs; neurons as the paper has them: tau 1.25, threshold 1, soft reset, detached."""

    def __init__(self, w):
        decay = torch.tensor(math.log(0.2 / 0.8))
        stage = lambda i, o: [nn.Conv2d(i, o, 3, padding=1, bias=False), nn.BatchNorm2d(o),
                              LIFLayer(v_reset=None, thresh=1.0, decay=decay, detach_reset=True, rate_flag=True)]
        pool = lambda: [nn.AvgPool2d(2)]
        super().__init__(*stage(3, w), *stage(w, w), *pool(), *stage(w, 2 * w), *stage(2 * w, 2 * w), *pool(), *stage(2 * w, 4 * w),
                         *stage(4 * w, 4 * w), *pool(), *stage(4 * w, 8 * w), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8 * w, 10))
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


net = Network(width)
missing, unexpected = net.load_state_dict(load(o.weights), strict=False)
missing = [name for name in missing if not name.endswith('num_batches_tracked')]
if missing or unexpected:
    sys.exit(f'--weights {o.weights}: missing {missing}, unexpected {unexpected}')
rate_model_setting(net, time_step=T, step_mode='m')
# Biases and normalisation do not decay, as in the official main.py.
weights, others = [[p for p in net.parameters() if (p.dim() > 1) == is_weight] for is_weight in (True, False)]
optimizer = torch.optim.SGD([dict(params=weights, weight_decay=5e-4), dict(params=others, weight_decay=0)], lr=head['lr'], momentum=0.9, nesterov=True)
schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, head['lr'], total_steps=head['epochs'] * head['stepsOfEpoch'], pct_start=0.2, cycle_momentum=False)
evaluator = CustomEvaluator(nn.CrossEntropyLoss(label_smoothing=0.1), 'rate', T)
net.train()
with open(o.out, 'w') as out:
    print('step,loss,learningRate,milliseconds', file=out)
    for step in range(head['steps']):
        x = torch.from_numpy(np.frombuffer(stream.read(4 * batch * 3072), np.float32).copy()).view(batch, 3, 32, 32)
        y = torch.from_numpy(np.frombuffer(stream.read(4 * batch), np.int32).astype(np.int64))
        start, rate = time.perf_counter(), optimizer.param_groups[0]['lr']
        functional.reset_net(net)
        optimizer.zero_grad()
        loss = evaluator(net(x.expand(T, *x.shape).reshape(-1, *x.shape[1:])), y)
        loss.backward()
        optimizer.step()
        schedule.step()
        print(f'{step},{loss.item()},{rate},{1000 * (time.perf_counter() - start)}', file=out, flush=True)
