"""Drives the paper's official PyTorch code on the CPU, for `npm run bench`.

  official.py check      nothing: are PyTorch and the two checkouts usable, and how fast is this PyTorch?
  official.py step       times training steps on a batch from standard input: float32 images, then int32 labels;
                         with --compile through torch.compile, or says why that does not take the code (leftOut)
  official.py agreement  writes to --out (safetensors) a fresh network's state, a batch of noise and what a rate-based step makes of it
  official.py train      trains on the files in --data: Fashion-MNIST (IDX) with --input 1 28 28, else CIFAR-10 (binary); one line an epoch.
"""
import glob, gzip, json, math, statistics, sys, time

try:
    import numpy as np, torch, torch.nn as nn
    from peer_parts import answer, check_speed, gradients_of, read_batch, read_options, save, state_of, time_steps
    o = read_options(__doc__, ['check', 'step', 'agreement', 'train'], dict(
        official=dict(required=True, help='checkout of github.com/Tab-ct/rate-based-backpropagation'),
        spikingjelly=dict(required=True, help='checkout of github.com/fangwei123456/spikingjelly, 0.0.0.0.14'),
        model=dict(default='resnet18'), method=dict(choices=['rate', 'bptt'], default='rate'),
        dtype=dict(choices=['float32', 'bfloat16'], default='float32', help='bfloat16: autocast'),
        input=dict(type=int, nargs=3, default=[3, 32, 32], help='channels, height, width'),
        data={}), time_steps=4, batch=16, epochs=3, width=16, compile=0, limit_train=0, limit_test=0)
    sys.path[:0] = [o.spikingjelly, o.official]
    from spikingjelly.activation_based import functional
    from model import preact_resnet, resnet, sew_resnet, vgg
    from model.layer import CustomEvaluator, LIFLayer, ReadOut
    from model.model_setting import bptt_model_setting, rate_model_setting
except ImportError as error:
    sys.exit(f'{error}; the official code needs PyTorch and what SpikingJelly imports')


class Cnn(nn.Sequential):
    """`cnn` of this project, of the official code's parts: --width channels, then twice as many."""

    def __init__(self, num_classes, **neuron):
        channels, height, width = o.input
        first, second = o.width, 2 * o.width
        features = second * (height // 4) * (width // 4)
        super().__init__(nn.Conv2d(channels, first, 3, padding=1, bias=False), nn.BatchNorm2d(first), LIFLayer(**neuron), nn.AvgPool2d(2),
                         nn.Conv2d(first, second, 3, padding=1, bias=False), nn.BatchNorm2d(second), LIFLayer(**neuron), nn.AvgPool2d(2),
                         nn.Flatten(), nn.Linear(features, num_classes))
        self.layers = len(self)
        self.readout = ReadOut()

    def forward(self, x):
        for i in range(self.layers):
            x = self[i](x)
        return self.readout(x)


def make_network():
    """The network as the paper trains it: tau 1.25, threshold 1, soft reset, detached; step mode m."""
    neuron = dict(v_reset=None, thresh=1.0, decay=torch.tensor(math.log(0.2 / 0.8)), detach_reset=True, rate_flag=o.method == 'rate')
    makers = dict(cnn=Cnn, vgg11=vgg.vgg11, vgg13=vgg.vgg13, vggsnn=vgg.vggsnn_cifar, resnet18=resnet.resnet18, resnet19=resnet.resnet19,
                  sewResnet34=sew_resnet.sew_resnet34, preactResnet34=preact_resnet.preact_resnet34)
    net = makers[o.model](num_classes=10, **neuron)
    (rate_model_setting if o.method == 'rate' else bptt_model_setting)(net, time_step=o.time_steps, step_mode='m')
    return net


def forward(net, x, run=None):
    """run: the network as torch.compile made it."""
    functional.reset_net(net)
    return (run or net)(x.expand(o.time_steps, *x.shape).reshape(-1, *x.shape[1:]))


def make_optimizer(net, weight_decay=0.0):
    """SGD that decays weights and spares biases and normalisation, as the official main.py does."""
    weights, others = [[p for p in net.parameters() if (p.dim() > 1) == is_weight] for is_weight in (True, False)]
    return torch.optim.SGD([dict(params=weights, weight_decay=weight_decay), dict(params=others, weight_decay=0)], lr=o.lr, momentum=0.9)


def train_step(net, evaluator, optimizer, x, y, run=None):
    optimizer.zero_grad()
    with torch.autocast('cpu', torch.bfloat16, enabled=o.dtype == 'bfloat16'):
        loss = evaluator(forward(net, x, run), y)
    loss.backward()
    optimizer.step()
    return loss.item()


def step(net, evaluator):
    x, y = read_batch(o.batch, o.input)
    if o.dtype == 'bfloat16' and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return dict(leftOut='this processor has no instructions for bfloat16 that PyTorch uses')
    net.train()
    optimizer, run = make_optimizer(net), None
    try:
        if o.compile:
            run = torch.compile(net)
            train_step(net, evaluator, optimizer, x, y, run)
    except Exception as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        # A compiler's own complaint tells most; else the message begins with what it is about and ends in advice.
        telling = [line for line in lines if 'error: ' in line][:1] or lines[:2]
        return dict(leftOut=f'{type(error).__name__}: {" ".join(telling)}'[:300])
    return time_steps(o, optimizer, lambda: train_step(net, evaluator, optimizer, x, y, run))


def agreement(net, evaluator):
    """before.*: state, count.*: spikes of each neuron over all steps, eligibility.*, grad.*: gradients."""
    tensors = state_of(net, 'before.')
    x, y = torch.randn(o.batch, *o.input), torch.randint(0, 10, (o.batch,))
    net.train()
    output = forward(net, x)
    # Now, for the backward hook forgets them.
    for name, layer in net.named_modules():
        if isinstance(layer, LIFLayer):
            tensors[f'count.{name}'] = (layer.out_spikes_mean * o.time_steps).round().to(torch.uint8)
            tensors[f'eligibility.{name}'] = layer.elig
    loss = evaluator(output, y)
    loss.backward()
    save(o.out, dict(tensors, **gradients_of(net), input=x, target=y, output=output))
    return dict(loss=loss.item())


def read_idx(part):
    def idx(name):
        raw = gzip.open(f'{o.data}/{name}-ubyte.gz').read()
        dims = [int.from_bytes(raw[4 + 4 * i:8 + 4 * i], 'big') for i in range(raw[3])]
        return torch.from_numpy(np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(dims).copy())
    return idx(f'{part}-images-idx3').unsqueeze(1), idx(f'{part}-labels-idx1').long()


def read_rows(pattern):
    raw = b''.join(open(name, 'rb').read() for name in sorted(glob.glob(f'{o.data}/{pattern}.bin')))
    rows = torch.from_numpy(np.frombuffer(raw, np.uint8).reshape(-1, 1 + math.prod(o.input)).copy())
    return rows[:, 1:].reshape(-1, *o.input), rows[:, 0].long()


def train(net, evaluator):
    """As `spikewasm train` does by default: its normalisation, cosine schedule, weight decay 5e-4, no augmentation."""
    if o.input[0] == 3:
        parts, mean, deviation = [read_rows('data_batch_*'), read_rows('test_batch')], [0.4914, 0.4822, 0.4465], [0.2023, 0.1994, 0.201]
    else:
        parts, mean, deviation = [read_idx('train'), read_idx('t10k')], [0.286], [0.353]
    (images, labels), (test_images, test_labels) = [(x[:n or None], y[:n or None]) for (x, y), n in zip(parts, (o.limit_train, o.limit_test))]
    mean, deviation = [torch.tensor(v).view(-1, 1, 1) for v in (mean, deviation)]
    normalise = lambda x: (x.float() / 255 - mean) / deviation
    optimizer = make_optimizer(net, 5e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=o.epochs)
    for epoch in range(o.epochs):
        net.train()
        start = time.perf_counter()
        order, losses = torch.randperm(len(images)), []
        for i in range(0, len(images) - o.batch + 1, o.batch):
            batch = order[i:i + o.batch]
            losses.append(train_step(net, evaluator, optimizer, normalise(images[batch]), labels[batch]))
        trained = time.perf_counter()
        schedule.step()
        net.eval()
        with torch.no_grad():
            correct = sum((forward(net, normalise(test_images[i:i + 500])).argmax(1) == test_labels[i:i + 500]).sum().item()
                          for i in range(0, len(test_images), 500))
        result = dict(epoch=epoch + 1, trainLoss=statistics.mean(losses), firstLoss=losses[0], testAccuracy=correct / len(test_images),
                      trainSeconds=trained - start, testSeconds=time.perf_counter() - trained)
        print(json.dumps(result), flush=True)
    return result


def with_network(run):
    return run(make_network(), CustomEvaluator(nn.CrossEntropyLoss(), o.method, o.time_steps))


answer(o, dict(check=check_speed, **{run.__name__: (lambda run=run: with_network(run)) for run in (step, agreement, train)}))
