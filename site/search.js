// How the site is searched, and what has to be found.
import { readdirSync } from 'node:fs'
import { join, relative } from 'node:path'
import { pathToFileURL } from 'node:url'
import { root } from './links.js'
import { titles } from './shelves.js'

/** Options of MiniSearch, for VitePress, which sends functions to the page as their texts. */
export const searching = {
  searchOptions: {
    fuzzy: 0.2,
    prefix: true,
    boost: { title: 4, titles: 2, text: 1 },
    // Lessons before lists of kernels, and before what is about the inside.
    boostDocument: (id) =>
      /learn[/]/.test(id)
        ? 2
        : /reference[/]ops[/]/.test(id)
          ? 0.3
          : /inside[/]/.test(id)
            ? 0.5
            : 1,
  },
}

/** A page as it is indexed: it is found by its title in the sidebar too. */
export function textForSearch(text, env, md) {
  const title = titles[relative(root, env.path).replaceAll('\\', '/')]
  return md.render(title ? text.replace(/^# .*$/m, (heading) => `${heading}: ${title}`) : text, env)
}

/** What people ask, and the page that has to be among the first three results. */
export const queries = {
  'firing rate': 'learn/neuron',
  'learning rate schedule': 'reference/optimizers',
  'batch normalisation': 'reference/layers',
  'surrogate gradient': 'reference/neurons',
  'own images from a folder': 'how-to/pictures',
  'event camera': 'how-to/events',
  'resume a run': 'how-to/runs',
  'export wasm microcontroller': 'how-to/edge',
  'several machines': 'how-to/scale',
  'threads in a web page headers': 'how-to/web',
  'cifar-10 recipe': 'how-to/cifar10',
  spikingjelly: 'reference/coming-from',
}

/** Asks the index of a built site, as its page does. @returns what is not found */
export async function checkSearch(folder, base = '/') {
  const { default: MiniSearch } = await import('minisearch')
  const chunks = join(folder, 'assets/chunks')
  const name = readdirSync(chunks).find((file) => file.startsWith('@localSearchIndexroot'))
  const { default: index } = await import(pathToFileURL(join(chunks, name)).href)
  const fields = { fields: ['title', 'titles', 'text'], storeFields: ['title', 'titles'] }
  const search = MiniSearch.loadJSON(index, { ...fields, ...searching })
  return Object.entries(queries).flatMap(([query, page]) => {
    const found = search
      .search(query)
      .slice(0, 3)
      .map(({ id }) => id.slice(base.length))
    return found.some((id) => id.split('#')[0] === page)
      ? []
      : `"${query}" should find ${page}; the first are ${found.join(', ')}`
  })
}
