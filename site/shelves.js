// Which page of the repository stands where on the site. The sidebar, the addresses and the links
// between pages follow from this list; a page that is not on it is linked to as source.

/** Shelves in their order: what a shelf is called, and its pages with their titles in the sidebar. */
export const shelves = {
  learn: {
    title: 'Learn',
    pages: {
      'site/learn/neuron.md': 'A neuron, and a network of them',
      'site/learn/slope.md': 'How spikes can learn',
      'site/learn/first-program.md': 'A first program',
      'site/learn/own-data.md': 'Your own data',
      'site/learn/time.md': 'Time and events',
      'site/learn/methods.md': 'Rate, BPTT and their relatives',
      'site/learn/anywhere.md': 'Take it anywhere',
      'site/learn/by-hand.md': 'The method in sixty lines',
    },
  },
  'how-to': {
    title: 'How to',
    pages: {
      'docs/data.md': 'Read your own data',
      'docs/pictures.md': 'Read folders of images',
      'docs/events.md': 'Train on event cameras',
      'docs/runs.md': 'Stop and resume a run',
      'docs/watching.md': 'Watch a run',
      'docs/activity.md': 'See what neurons do',
      'docs/sweeps.md': 'Try many settings',
      'docs/scale.md': 'Train on several machines',
      'docs/page.md': 'Try it in a page',
      'docs/web.md': 'Train in a web page',
      'docs/edge.md': 'Export one .wasm file',
      'docs/hosts.md': 'Run it in many hosts',
      'docs/nir.md': 'Exchange networks by NIR',
      'docs/comparing.md': 'Compare two builds',
      'docs/cifar10.md': 'Follow a recipe for CIFAR-10',
    },
  },
  reference: {
    title: 'Reference',
    pages: {
      'docs/training.md': 'Train a network',
      'docs/networks.md': 'Networks',
      'docs/neurons.md': 'Neurons',
      'docs/methods.md': 'Methods',
      'docs/losses.md': 'Losses',
      'docs/optimizers.md': 'Optimizers and schedules',
      'docs/saving.md': 'Save, load, resume',
      'docs/models.md': 'Trained networks',
      'docs/ops.md': 'Kernels as functions',
      'docs/exported-file.md': 'The exported file',
      'build/reference/command-line.md': 'Command line',
      'build/reference/model.md': 'All calls: compile, fit …',
      'build/reference/layers.md': 'All layers and networks',
      'build/reference/built-in-neurons.md': 'All neurons, in pictures',
      'build/reference/learning.md': 'All losses, optimizers, callbacks',
      'build/reference/data-functions.md': 'All functions of data',
      'build/reference/files.md': 'All of exports and NIR',
      'build/reference/ops/convolution.md': 'Kernels: convolution',
      'build/reference/ops/neurons.md': 'Kernels: neurons',
      'build/reference/ops/normalisation-and-more.md': 'Kernels: the rest',
      'docs/coming-from.md': 'Coming from snnTorch and others',
    },
  },
  inside: {
    title: 'Inside',
    pages: {
      'ARCHITECTURE.md': 'Architecture',
      'docs/paper.md': 'Reproducing the paper',
      'docs/checked.md': 'Numbers that were checked',
      'docs/speed.md': 'Speed',
      'docs/benchmarks.md': 'How speed is measured',
      'docs/testing.md': 'How it is tested',
      'CONTRIBUTING.md': 'Contributing',
      'SECURITY.md': 'Security',
      'CHANGELOG.md': 'What has changed',
    },
  },
}

/** Pages that stand on no shelf, and their addresses. */
const others = { 'site/index.md': 'index' }

const nameOf = (page) =>
  page.replace(/^(docs|bench|build\/reference|site\/[\w-]+)\//, '').toLowerCase()

/** Addresses of pages, without the first slash, by their files. */
export const addresses = {
  ...others,
  ...Object.fromEntries(
    Object.entries(shelves).flatMap(([shelf, { pages }]) =>
      Object.keys(pages).map((page) => [page, `${shelf}/${nameOf(page).replace(/\.md$/, '')}`]),
    ),
  ),
}

/** Titles of pages in the sidebar. */
export const titles = Object.assign({}, ...Object.values(shelves).map(({ pages }) => pages))

/** Pages that reference/build.js writes. */
export const isGenerated = (page) => page.startsWith('build/reference/')

/** Pages that lie in this folder. */
export const ownPages = Object.keys(addresses).filter((page) => page.startsWith('site/'))

/** Parts of the site that VitePress does not build. */
export const elsewhere = { '/api/': 'Every function and type', '/play/': 'Try it in this page' }
