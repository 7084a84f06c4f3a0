"""What official.py and online.py share: their options, a batch, timed steps, the peak of this PyTorch, and files. The last line that they write is JSON."""
import argparse, json, math, resource, statistics, struct, sys, time

import numpy as np, torch


def read_options(description, commands, words, **integers):
    """words: further options, as argparse takes them."""
    p = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('command', choices=commands)
    for name, default in dict(integers, threads=2, seed=0, training_steps=10, min_steps=5).items():
        p.add_argument('--' + name.replace('_', '-'), type=int, default=default)
    for name, settings in dict(words, seconds=dict(type=float, default=1, help='least time to measure'), lr=dict(type=float, default=0.1), out={}).items():
        p.add_argument('--' + name, **settings)
    return p.parse_args()


def answer(o, commands):
    """Does what is asked for, and writes what it gives, with what it took of the machine."""
    torch.set_num_threads(o.threads)
    torch.manual_seed(o.seed)
    result = dict(torch=torch.__version__, **commands[o.command]())
    used = resource.getrusage(resource.RUSAGE_SELF)
    result.update(processorMs=1000 * (used.ru_utime + used.ru_stime), residentMiB=used.ru_maxrss / (2 ** 20 if sys.platform == 'darwin' else 2 ** 10))
    print(json.dumps(result))


def read_batch(batch, shape):
    """From standard input: float32 images, then int32 labels."""
    raw = sys.stdin.buffer.read()
    labels_at = 4 * batch * math.prod(shape)
    x = torch.from_numpy(np.frombuffer(raw[:labels_at], np.float32).copy()).view(batch, *shape)
    return x, torch.from_numpy(np.frombuffer(raw[labels_at:], np.int32).astype(np.int64))


def time_steps(o, optimizer, step):
    """Milliseconds of a step: after some that train, at learning rate 0."""
    for _ in range(o.training_steps):
        step()
    for group in optimizer.param_groups:
        group['lr'] = 0.0
    times = []
    while len(times) < o.min_steps or sum(times) < 1000 * o.seconds:
        start = time.perf_counter()
        step()
        times.append(1000 * (time.perf_counter() - start))
    median = statistics.median(times)
    spread = 100 * statistics.median(abs(t - median) for t in times) / median
    return dict(median=median, best=min(times), spread=spread, samples=len(times))


def check_speed(seconds=0.1):
    """GFLOP/s that this PyTorch reaches on one thread: matmul, a product of matrices; peak, the fastest of it and two convolutions, 1×1 and 3×3. By the
    processor's time: on a busy machine a good BLAS must not look like none."""
    image = torch.randn(1, 256, 18, 18)
    cases = [(2 * 512 ** 3, torch.mm, (torch.randn(512, 512), torch.randn(512, 512)))]
    cases += [(2 * (19 - k) ** 2 * 256 ** 2 * k ** 2, torch.conv2d, (image, torch.randn(256, 256, k, k))) for k in (1, 3)]
    rates, threads = [], torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.no_grad():
        for flop, run, operands in cases:
            run(*operands)
            best, end = 0, time.process_time() + seconds
            while time.process_time() < end:
                start = time.process_time()
                run(*operands)
                best = max(best, 1e-9 * flop / (time.process_time() - start))
            rates.append(best)
    torch.set_num_threads(threads)
    return dict(matmul=rates[0], peak=max(rates))


def state_of(net, prefix=''):
    return {prefix + name: value.clone() for name, value in net.state_dict().items() if not name.endswith('num_batches_tracked')}


def gradients_of(net):
    return {f'grad.{name}': p.grad for name, p in net.named_parameters()}


def save(path, tensors):
    """Safetensors: length of the header, header as JSON, data."""
    header, data, at = {}, [], 0
    for name, tensor in tensors.items():
        raw = tensor.detach().contiguous().numpy().tobytes()
        dtype = {torch.float32: 'F32', torch.int64: 'I64', torch.uint8: 'U8'}[tensor.dtype]
        header[name] = dict(dtype=dtype, shape=list(tensor.shape), data_offsets=[at, at + len(raw)])
        data.append(raw)
        at += len(raw)
    text = json.dumps(header).encode()
    text += b' ' * (-len(text) % 8)
    with open(path, 'wb') as file:
        file.write(struct.pack('<Q', len(text)) + text + b''.join(data))
