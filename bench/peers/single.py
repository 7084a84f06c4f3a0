"""predict of one image on PyTorch, eager: the layers of chain.json (bench/edge/chain.ts) with the same weights. Its argument is the folder
that onnx.mjs reads. The last line of the output is JSON: likeness (as in onnx.mjs), and milliseconds of an image: one (processor time, one thread) and all (by the clock, all threads of settings.json)."""
import json, math, statistics, sys, time

try:
    import numpy as np, torch
    import torch.nn.functional as F
    from peer_parts import check_speed
except ImportError as error:
    sys.exit(f'{error}; this Python has no PyTorch')

folder = sys.argv[1]
read = lambda name: json.load(open(f'{folder}/{name}'))
chain, settings = read('chain.json'), read('settings.json')
numbers = torch.from_numpy(np.fromfile(f'{folder}/numbers.f32', np.float32))
images = torch.from_numpy(np.fromfile(f'{folder}/images.f32', np.float32)).view(-1, 1, *chain['input'])
expected = torch.from_numpy(np.fromfile(f'{folder}/logits.f32', np.float32)).view(len(images), -1)
T = chain['timeSteps']


def array(place):
    return numbers[place['at']:place['at'] + math.prod(place['shape'])].view(place['shape']).clone()


for layer in chain['layers']:
    layer.update({name: array(layer[name]) for name in ('weight', 'bias') if name in layer})


def neuron(x, keep, threshold):
    """[T, ...] or, where all steps are the same, [1, ...] -> [T, ...]"""
    v, spikes = torch.zeros_like(x[0]), []
    for t in range(T):
        u = v * keep + x[t if len(x) > 1 else 0]
        spike = (u >= threshold).float()
        v = u - threshold * spike
        spikes.append(spike)
    return torch.stack(spikes)


def run(x):
    """One image [1, C, H, W]; steps are a batch."""
    values = []
    for layer in chain['layers']:
        inputs = [x if i < 0 else values[i] for i in layer['inputs']]
        a, op = inputs[0], layer['op']
        if op == 'conv':
            y = F.conv2d(a, layer['weight'], layer['bias'], layer['stride'], layer['padding'])
        elif op == 'linear':
            y = F.linear(a, layer['weight'], layer['bias'])
        elif op == 'avgPool':
            y = F.avg_pool2d(a, layer['kernel'], layer['stride'])
        elif op == 'flatten':
            y = a.flatten(1)
        elif op == 'add':
            y = sum(inputs[1:], a)
        else:
            y = neuron(a, layer['keep'], layer['threshold'])
        values.append(y)
    return values[-1].mean(0)


def measure(clock):
    times, began = [], clock()
    while len(times) < 5 or clock() - began < settings['ms'] / 1000:
        start = clock()
        run(images[len(times) % len(images)])
        times.append(1000 * (clock() - start))
    return statistics.median(times)


with torch.inference_mode():
    torch.set_num_threads(1)
    outputs = torch.stack([run(image) for image in images])
    a, b = [(x - x.mean(0)).flatten().double() for x in (outputs, expected)]
    likeness = (a @ b / (a.norm() * b.norm())).item()
    one = measure(time.process_time)
    torch.set_num_threads(settings['threads'])
    measure(time.perf_counter)
    print(json.dumps(dict(torch=torch.__version__, likeness=likeness, one=one, all=measure(time.perf_counter), **check_speed())))
