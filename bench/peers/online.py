"""Drives the code of the authors of OTTT and SLTT on the CPU, for `npm run bench`: their VGG networks, and the training step of their train_cifar.py and
train_SLTT.py. Both keep that step inside main(), on CUDA, so it is written out here.

  online.py check      nothing: are PyTorch and the checkouts usable?
  online.py state      writes to --out (safetensors) a fresh network's parameters and statistics
  online.py step       times training steps on a batch from standard input: float32 images, then int32 labels
  online.py agreement  writes to --out (safetensors) a fresh network's state, and what a step makes of such a batch
"""
import sys

try:
    import torch, torch.nn as nn, torch.nn.functional as F
    from peer_parts import answer, check_speed, gradients_of, read_batch, read_options, save, state_of, time_steps
    o = read_options(__doc__, ['check', 'state', 'step', 'agreement'], dict(
        method=dict(choices=['ottt', 'sltt'], required=True), spikingjelly=dict(help='SpikingJelly 0.0.0.0.12, for SLTT'),
        code=dict(required=True, help='checkout of github.com/pkuxmq/OTTT-SNN or github.com/qymeng94/SLTT')), time_steps=6, batch=32)
    sys.path[:0] = [folder for folder in (o.spikingjelly, o.code) if folder]
    if o.method == 'ottt':
        from models import spiking_vgg
        from modules import neuron, surrogate
    else:
        from models import spiking_vgg_bn
        from modules import neuron
        from spikingjelly.clock_driven import functional, layer, surrogate
except ImportError as error:
    sys.exit(f"{error}; the authors' code needs PyTorch and what it imports")
CLASSES, INPUT, LOSS_LAMBDA = 10, (3, 32, 32), 0.05


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


def backward(net, x, y):
    """Forward and backward of all steps, as in both scripts (SLTT: with its -mse_n_reg); gradients add up. The loss, and the mean of the outputs."""
    batch_loss = 0
    for t in range(o.time_steps):
        out_fr = net(x, init=t == 0) if o.method == 'ottt' else net(x)
        total_fr = out_fr.clone().detach() if t == 0 else total_fr + out_fr.clone().detach()
        mse_loss = F.mse_loss(out_fr, F.one_hot(y, CLASSES).float())
        loss = ((1 - LOSS_LAMBDA) * F.cross_entropy(out_fr, y) + LOSS_LAMBDA * mse_loss) / o.time_steps
        loss.backward()
        batch_loss += loss.item()
    if o.method == 'sltt':
        functional.reset_net(net)
    return batch_loss, total_fr / o.time_steps


def step(net):
    x, y = read_batch(o.batch, INPUT)
    optimizer = torch.optim.SGD(net.parameters(), lr=o.lr, momentum=0.9)

    def train_step():
        optimizer.zero_grad()
        backward(net, x, y)
        optimizer.step()
    return time_steps(o, optimizer, train_step)


def state(net):
    save(o.out, state_of(net))
    return {}


def agreement(net):
    """before.*: state, grad.*: gradients, output: mean over the steps. shapes: of one image's outputs of convolutions and linear layers."""
    before, shapes = state_of(net, 'before.'), {}
    for name, module in net.named_modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            module.register_forward_hook(lambda module, args, output, name=name: shapes.update({name: list(output.shape[1:])}))
    loss, output = backward(net, *read_batch(o.batch, INPUT))
    save(o.out, dict(before, **gradients_of(net), output=output))
    return dict(loss=loss, shapes=shapes)


def with_network(run):
    net = dict(ottt=make_ottt, sltt=make_sltt)[o.method]().train()
    return dict(run(net), parameters=sum(p.numel() for p in net.parameters()))


answer(o, dict(check=check_speed, **{run.__name__: (lambda run=run: with_network(run)) for run in (state, step, agreement)}))
