// How the site is searched. What people ask is in search.json: a page that has to be among the first
// three results of each.
import { readdirSync } from 'node:fs'
import { join, relative } from 'node:path'
import { pathToFileURL } from 'node:url'
import { root } from './links.js'
import queries from './search.json' with { type: 'json' }
import { titles } from './shelves.js'

/** Options of MiniSearch, for VitePress, which sends functions to the page as their texts. */
export const searching = {
  searchOptions: {
    fuzzy: 0.2,
    prefix: true,
    boost: { title: 4, titles: 2, text: 1 },
    // Lessons before lists of kernels, and before what is about the inside.
    boostDocument: (id) => {
      const [, place] = id.match(/(learn|reference[/]ops|inside)[/]/) ?? []
      return { learn: 2, 'reference/ops': 0.3, inside: 0.5 }[place] ?? 1
    },
  },
}

/** A page as it is indexed: it is found by its title in the sidebar too. */
export function textForSearch(text, env, md) {
  const title = titles[relative(root, env.path).replaceAll('\\', '/')]
  return md.render(title ? text.replace(/^# .*$/m, (heading) => `${heading}: ${title}`) : text, env)
}

/** Asks the index of a built site, as its page does. @returns what it does not find */
export async function checkSearch(folder, base = '/') {
  const { default: MiniSearch } = await import('minisearch')
  const chunks = join(folder, 'assets/chunks')
  const name = readdirSync(chunks).find((file) => file.startsWith('@localSearchIndexroot'))
  const { default: index } = await import(pathToFileURL(join(chunks, name)).href)
  const fields = { fields: ['title', 'titles', 'text'], storeFields: ['title', 'titles'] }
  const search = MiniSearch.loadJSON(index, { ...fields, ...searching })
  const problems = Object.entries(queries).flatMap(([query, page]) => {
    const found = search.search(query).slice(0, 3)
    const first = found.map(({ id }) => id.slice(base.length).split('#')[0])
    return first.includes(page) ? [] : `"${query}" should find ${page}; the first are ${first}`
  })
  return { problems }
}
