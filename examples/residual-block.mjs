// A residual block of one's own: the currents of two branches are added before the neurons fire.
// Run it after `npm run build` with: node examples/residual-block.mjs
import * as sw from 'spikewasm'

const conv = (from, to, size) => sw.conv2d(from, to, size, { padding: (size - 1) / 2, bias: false })

/** spike2(bn2(conv2(spike1(bn1(conv1(x))))) + shortcut(x)): [from, H, W] → [to, H, W]. */
function residualBlock(from, to) {
  const children = {
    conv1: conv(from, to, 3),
    bn1: sw.batchNorm2d(to),
    spike1: sw.lif(),
    conv2: conv(to, to, 3),
    bn2: sw.batchNorm2d(to),
    shortcut: from === to ? sw.identity() : sw.sequential(conv(from, to, 1), sw.batchNorm2d(to)),
    spike2: sw.lif(),
  }
  // Called once, to learn how the children are wired.
  return sw.block(children, (m, x, { add }) => {
    const inner = m.spike1(m.bn1(m.conv1(x)))
    return m.spike2(add(m.bn2(m.conv2(inner)), m.shortcut(x)))
  })
}

const net = sw.sequential({
  stem: sw.sequential(conv(1, 12, 3), sw.batchNorm2d(12), sw.lif()),
  block1: residualBlock(12, 12),
  block2: residualBlock(12, 24),
  head: sw.sequential(sw.avgPool2d(4), sw.flatten(), sw.linear(24 * 2 * 2, 10)),
})
const { train, test } = await sw.datasets.digits()
const model = await net.compile({ input: [1, 8, 8], timeSteps: 4, batchSize: 32, seed: 0 })
const names = Object.keys(model.stateDict())
console.log(names.filter((name) => name.startsWith('block2')).join('\n'))
await model.fit(train, { epochs: 4, optimizer: sw.sgd({ lr: 0.1 }), schedule: sw.cosine() })
const { accuracy } = await model.evaluate(test)
console.log(
  `${model.parameterCount} parameters, ${(100 * accuracy).toFixed(1)} % of the test digits`,
)
await model.dispose()
