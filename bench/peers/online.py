"""Drives the code of the authors of OTTT and SLTT on the CPU, for `npm run bench`: their VGG networks, and the training step of their train_cifar.py and
train_SLTT.py. Both keep that step inside main(), on CUDA, so it is written out here. The last line of the output is JSON.

  online.py check      nothing: are PyTorch and the checkouts usable?
  online.py state      writes to --out (safetensors) a fresh network's parameters and statistics
  online.py step       times training steps on a batch from standard input: float32 images, then int32 labels
  online.py agreement  writes to --out (safetensors) a fresh network's state, and what a step makes of such a batch
"""
import argparse, json, math, resource, statistics, sys, time


def read_options():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('command', choices=['check', 'state', 'step', 'agreement'])
    p.add_argument('--method', choices=['ottt', 'sltt'], required=True)
    p.add_argument('--code', required=True, help='checkout of github.com/pkuxmq/OTTT-SNN or github.com/qymeng94/SLTT')
    p.add_argument('--spikingjelly', help='SpikingJelly 0.0.0.0.12, for SLTT')
    for name, default in dict(time_steps=6, batch=32, threads=2, seed=0, training_steps=10, min_steps=5).items():
        p.add_argument('--' + name.replace('_', '-'), type=int, default=default)
    p.add_argument('--seconds', type=float, default=1, help='least time to measure')
    p.add_argument('--lr', type=float, default=0.1)
    p.add_argument('--out')
    return p.parse_args()


o = read_options()
CLASSES, INPUT, LOSS_LAMBDA = 10, (3, 32, 32), 0.05
sys.path[:0] = [folder for folder in (o.spikingjelly, o.code) if folder]
try:
    import numpy as np, torch, torch.nn as nn, torch.nn.functional as F
    from peer_parts import peak_gflops, save
    if o.method == 'ottt':
        from models import spiking_vgg
        from modules import neuron, surrogate
    else:
        from models import spiking_vgg_bn
        from modules import neuron
        from spikingjelly.clock_driven import functional, layer, surrogate
except ImportError as error:
    sys.exit(f'{error}; the code of {o.method} needs PyTorch and what it imports')


def make_ottt():
    """As train_cifar.py makes it by default."""
    return spiking_vgg.online_spiking_vgg11_ws(
        single_step_neuron=neuron.OnlineLIFNode, tau=2., surrogate_function=surrogate.Sigmoid(alpha=4.), track_rate=True, c_in=3,
        num_classes=CLASSES, neuron_dropout=0., grad_with_rate=True, fc_hw=1, v_reset=None)


def make_sltt():
    """As train_SLTT.py makes it by default, but for two parts. Its dropout of rate 0, a multiplication by ones, is taken out. An image of 32 pixels ends as
    one pixel, of which their pooling makes 49 copies for the classifier: the classifier reads the one. Both make their step shorter."""
    net = spiking_vgg_bn.spiking_vgg11_bn(neuron=neuron.SLTTNeuron, num_classes=CLASSES, neuron_dropout=0., tau=1.1,
                                          surrogate_function=surrogate.PiecewiseQuadratic(), c_in=3, fc_hw=1)
    for stage in net.children():
        for name, module in stage.named_children():
            if isinstance(module, layer.Dropout):
                setattr(stage, name, nn.Identity())
    net.avgpool = nn.Identity()
    net.classifier[1] = nn.Linear(512, CLASSES)
    nn.init.normal_(net.classifier[1].weight, 0, 0.01)
    nn.init.zeros_(net.classifier[1].bias)
    return net


def forward(net, x, t):
    return net(x, init=t == 0) if o.method == 'ottt' else net(x)


def backward(net, x, y):
    """Forward and backward of all steps, as in both scripts (SLTT: with its -mse_n_reg); gradients add up. The loss, and the mean of the outputs."""
    batch_loss = 0
    for t in range(o.time_steps):
        out_fr = forward(net, x, t)
        total_fr = out_fr.clone().detach() if t == 0 else total_fr + out_fr.clone().detach()
        mse_loss = F.mse_loss(out_fr, F.one_hot(y, CLASSES).float())
        loss = ((1 - LOSS_LAMBDA) * F.cross_entropy(out_fr, y) + LOSS_LAMBDA * mse_loss) / o.time_steps
        loss.backward()
        batch_loss += loss.item()
    if o.method == 'sltt':
        functional.reset_net(net)
    return batch_loss, total_fr / o.time_steps


def train_step(net, optimizer, x, y):
    optimizer.zero_grad()
    loss, _ = backward(net, x, y)
    optimizer.step()
    return loss


def read_batch():
    raw = sys.stdin.buffer.read()
    labels_at = 4 * o.batch * math.prod(INPUT)
    x = torch.from_numpy(np.frombuffer(raw[:labels_at], np.float32).copy()).view(o.batch, *INPUT)
    return x, torch.from_numpy(np.frombuffer(raw[labels_at:], np.int32).astype(np.int64))


def step(net):
    """Milliseconds of a step: after some that train, at learning rate 0."""
    x, y = read_batch()
    optimizer = torch.optim.SGD(net.parameters(), lr=o.lr, momentum=0.9)
    for _ in range(o.training_steps):
        train_step(net, optimizer, x, y)
    for group in optimizer.param_groups:
        group['lr'] = 0.0
    times = []
    while len(times) < o.min_steps or sum(times) < 1000 * o.seconds:
        start = time.perf_counter()
        train_step(net, optimizer, x, y)
        times.append(1000 * (time.perf_counter() - start))
    median = statistics.median(times)
    spread = 100 * statistics.median(abs(t - median) for t in times) / median
    return dict(median=median, best=min(times), spread=spread, samples=len(times), peakGflops=peak_gflops())


def state_of(net):
    return {name: value.clone() for name, value in net.state_dict().items() if not name.endswith('num_batches_tracked')}


def state(net):
    save(o.out, state_of(net))
    return {}


def agreement(net):
    """before.*: state, grad.*: gradients, output: mean over the steps. shapes: of one image's outputs of convolutions and linear layers."""
    tensors = {f'before.{name}': value for name, value in state_of(net).items()}
    shapes = {}
    for name, module in net.named_modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            module.register_forward_hook(lambda module, args, output, name=name: shapes.update({name: list(output.shape[1:])}))
    x, y = read_batch()
    loss, output = backward(net, x, y)
    tensors.update({f'grad.{name}': p.grad for name, p in net.named_parameters()}, output=output)
    save(o.out, tensors)
    return dict(loss=loss, shapes=shapes)


torch.set_num_threads(o.threads)
result = dict(torch=torch.__version__)
if o.command != 'check':
    torch.manual_seed(o.seed)
    net = dict(ottt=make_ottt, sltt=make_sltt)[o.method]().train()
    result.update(dict(state=state, step=step, agreement=agreement)[o.command](net), parameters=sum(p.numel() for p in net.parameters()))
used = resource.getrusage(resource.RUSAGE_SELF)
result.update(processorMs=1000 * (used.ru_utime + used.ru_stime), residentMiB=used.ru_maxrss / (2 ** 20 if sys.platform == 'darwin' else 2 ** 10))
print(json.dumps(result))
