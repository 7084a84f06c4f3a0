"""examples/cartpole.mjs on PyTorch, one thread: the same equations, network, PPO and numbers of everything; all carts move in one numpy expression.
Its arguments are seeds; default 0 to 4. A line for each: steps until 50 episodes had more than 195 in the mean, and seconds."""
import sys, time

try:
    import numpy as np, torch
except ImportError as error:
    sys.exit(f'{error}; this Python has no PyTorch')
torch.set_num_threads(1)
CARTS, HORIZON, EPOCHS, GAMMA, LAMBDA, CLIP, T, TAU = 8, 32, 4, 0.99, 0.95, 0.2, 4, 1.25
BATCH = CARTS * HORIZON


class Spike(torch.autograd.Function):
    """The surrogate of lif(): the derivative of a sigmoid, alpha 4."""

    @staticmethod
    def forward(ctx, over):
        ctx.save_for_backward(over)
        return (over >= 0).float()

    @staticmethod
    def backward(ctx, gradient):
        s = torch.sigmoid(4 * ctx.saved_tensors[0])
        return gradient * 4 * s * (1 - s)


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = torch.nn.Linear(4, 64), torch.nn.Linear(64, 2)

    def forward(self, x):
        current, v, count = self.first(x), 0, 0
        for _ in range(T):
            u = v * (1 - 1 / TAU) + current
            spike = Spike.apply(u - 1)
            v = u - spike.detach()
            count = count + spike
        return self.last(count / T)


def push(world, action):
    x, v, angle, turn = world
    sin, cos = np.sin(angle), np.cos(angle)
    force = (np.where(action, 10, -10) + 0.05 * turn ** 2 * sin) / 1.1
    twist = (9.8 * sin - cos * force) / (0.5 * (4 / 3 - 0.1 * cos ** 2 / 1.1))
    pull = force - 0.05 * twist * cos / 1.1
    return np.stack([x + 0.02 * v, v + 0.02 * pull, angle + 0.02 * turn, turn + 0.02 * twist])


def learn(seed):
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    net = Net()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)

    def begin():
        return random.uniform(-0.05, 0.05, (4, CARTS))

    world, ages, lengths, mean, steps = begin(), np.zeros(CARTS), [], 0, 0
    x, scale = torch.zeros(HORIZON + 1, CARTS, 4), np.array([1, 1, 5, 1])
    actions, before, ended = (np.zeros((HORIZON, CARTS), np.float32) for _ in range(3))
    values = np.zeros((HORIZON + 1, CARTS), np.float32)
    while mean <= 195 and steps < 200_000:
        for t in range(HORIZON + 1):
            x[t] = torch.from_numpy(world.T * scale)
            with torch.no_grad():
                z = net(x[t]).numpy()
            values[t] = z[:, 1]
            if t == HORIZON:
                break
            right = 1 / (1 + np.exp(-z[:, 0]))
            actions[t] = action = random.random(CARTS) < right
            before[t] = np.where(action, right, 1 - right)
            world, ages = push(world, action), ages + 1
            over = (abs(world[0]) > 2.4) | (abs(world[2]) > 0.2095) | (ages >= 500)
            ended[t] = over
            if over.any():
                lengths += list(ages[over])
                world, ages = np.where(over, begin(), world), np.where(over, 0, ages)
        gains, gain = np.zeros((HORIZON, CARTS), np.float32), 0
        for t in reversed(range(HORIZON)):
            gain = 0.1 + (1 - ended[t]) * GAMMA * (values[t + 1] + LAMBDA * gain) - values[t]
            gains[t] = gain
        action, old, advantage, goal = (torch.from_numpy(a).flatten() for a in (actions, before, gains, gains + values[:HORIZON]))
        for _ in range(EPOCHS):
            z, value = net(x[:HORIZON].reshape(BATCH, 4)).unbind(1)
            right = torch.sigmoid(z)
            ratio = torch.where(action > 0, right, 1 - right) / old
            bounded = ratio.clamp(1 - CLIP, 1 + CLIP)
            loss = ((value - goal) ** 2 / 4 - torch.minimum(ratio * advantage, bounded * advantage)).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        mean = sum(lengths[-50:]) / 50
        steps += BATCH
    return mean, steps


for seed in [int(text) for text in sys.argv[1:]] or range(5):
    began, used = time.perf_counter(), time.process_time()
    mean, steps = learn(seed)
    print(f'seed {seed}: {mean} steps an episode, learnt in {steps} steps and {time.perf_counter() - began:.2f} s ({time.process_time() - used:.2f} s of the processor)')
