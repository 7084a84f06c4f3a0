"""What official.py and online.py share: the peak of this PyTorch, and files."""
import json, struct, time

import torch


def all_gflops(dtype=torch.float32, seconds=0.3):
    """GFLOP/s that this PyTorch reaches on its threads, of a product of matrices and two convolutions, 1×1 and 3×3, of no padding."""
    make = lambda *shape: torch.randn(*shape, dtype=dtype)
    image = make(4, 256, 18, 18)
    cases = [(2 * 1024 ** 3, torch.mm, (make(1024, 1024), make(1024, 1024)))]
    cases += [(2 * 4 * (19 - k) ** 2 * 256 ** 2 * k ** 2, torch.conv2d, (image, make(256, 256, k, k))) for k in (1, 3)]
    rates = []
    with torch.no_grad():
        for flop, run, operands in cases:
            run(*operands)
            best, end = 0, time.perf_counter() + seconds
            while time.perf_counter() < end:
                start = time.perf_counter()
                run(*operands)
                best = max(best, 1e-9 * flop / (time.perf_counter() - start))
            rates.append(best)
    return rates


def peak_gflops(dtype=torch.float32):
    """The fastest of them."""
    return max(all_gflops(dtype))


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
