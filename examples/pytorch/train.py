"""Trains a small spiking network in plain PyTorch and writes its weights as safetensors.

From the root of the repository: python3 examples/pytorch/train.py
It wrote digits.safetensors beside it, which examples/pytorch-weights.mjs reads.
"""
import gzip
import json
import pathlib
import struct

import numpy
import torch

TIME_STEPS, LEAK = 4, 0.2  # leak 1 − 1/τ with τ = 1.25
here = pathlib.Path(__file__).parent


class Spike(torch.autograd.Function):
    """1 where the potential is at least the threshold; the derivative is that of a sigmoid."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return (x >= 0).float()

    @staticmethod
    def backward(ctx, grad):
        s = torch.sigmoid(4 * ctx.saved_tensors[0])
        return grad * 4 * s * (1 - s)


class Network(torch.nn.Sequential):
    """Children 1 and 3 have weights, as in the network of examples/pytorch-weights.mjs."""

    def __init__(self):
        super().__init__(
            torch.nn.Flatten(), torch.nn.Linear(64, 48), torch.nn.Identity(), torch.nn.Linear(48, 10)
        )

    def forward(self, x):
        current = self[1](self[0](x))
        v, out = torch.zeros_like(current), 0
        for _ in range(TIME_STEPS):
            u = LEAK * v + current
            s = Spike.apply(u - 1)
            v = u - s.detach()
            out = out + self[3](s) / TIME_STEPS
        return out


def digits():
    """(images, labels) for training and testing: every fifth image of each digit is for testing."""
    text = gzip.open(here / "../../data/digits.csv.gz", "rt").read()
    rows = numpy.array([[int(n) for n in line.split(",")] for line in text.split()])
    images = torch.tensor((rows[:, :64] / 16 - 0.3051) / 0.3762, dtype=torch.float32)
    labels = torch.tensor(rows[:, 64])
    test = torch.zeros(len(rows), dtype=torch.bool)
    for digit in range(10):
        test[torch.nonzero(labels == digit)[4::5]] = True
    return (images[~test], labels[~test]), (images[test], labels[test])


def write(path, tensors, metadata):
    """Safetensors: 8 bytes with the header's length, the header as JSON, then the numbers."""
    header, data = {"__metadata__": metadata}, b""
    for name, tensor in tensors.items():
        bytes_ = tensor.detach().numpy().astype("<f4").tobytes()
        header[name] = {
            "dtype": "F32",
            "shape": list(tensor.shape),
            "data_offsets": [len(data), len(data) + len(bytes_)],
        }
        data += bytes_
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


torch.manual_seed(0)
(x, y), (test_x, test_y) = digits()
net = Network()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
for epoch in range(30):
    for batch in torch.randperm(len(x)).split(32):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(x[batch]), y[batch]).backward()
        optimizer.step()
with torch.no_grad():
    right = (net(test_x).argmax(1) == test_y).sum().item()
    first = net(test_x[:1])[0].tolist()
print(f"PyTorch {torch.__version__}: {right} of {len(test_y)} test digits; first output {first}")
write(here / "digits.safetensors", net.state_dict(), {
    "pytorch": torch.__version__,
    "testDigitsRight": str(right),
    "firstOutput": json.dumps(first),
})
