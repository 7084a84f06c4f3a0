import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { anchorOf, isElsewhere, root, turnLinks } from '../links.js'
import { searching, textForSearch } from '../search.js'
import { addresses, elsewhere, shelves } from '../shelves.js'

const here = fileURLToPath(new URL('../', import.meta.url))
const svg = readFileSync(`${here}icon.svg`, 'utf8')
const icon = `data:image/svg+xml,${encodeURIComponent(svg)}`

const items = (pages) =>
  Object.entries(pages).map(([page, text]) => ({ text, link: `/${addresses[page]}` }))
const numbered = (list) => list.map(({ text, link }, i) => ({ text: `${i + 1}. ${text}`, link }))
const outside = Object.entries(elsewhere).map(([link, text]) => ({ text, link, target: '_self' }))

const sidebar = Object.entries(shelves).map(([shelf, { title, pages }]) => ({
  text: title,
  collapsed: shelf !== 'learn',
  items: [
    ...(shelf === 'learn' ? numbered(items(pages)) : items(pages)),
    ...outside.filter(({ link }) => (link === '/api/' ? 'reference' : 'how-to') === shelf),
  ],
}))

/**
 * Pages become components of Vue. Vite looks for it above this folder, where it is not, and for the
 * package where examples run in pages. While pages are drawn in Node, nothing of the package is run:
 * data loaders have done that.
 */
const packagesFromHere = {
  name: 'packages-from-here',
  enforce: 'pre',
  resolveId(id, importer, { ssr }) {
    if (ssr && /^(vue|spikewasm)(\/|$)/.test(id)) return { id, external: true }
    if (/^spikewasm(\/ops)?$/.test(id))
      return `${root}build/page/${id.replace('spikewasm', 'page').replace('/', '-')}.js`
    if (/^(vue|spikewasm)(\/|$)/.test(id) && !importer?.startsWith(here))
      return this.resolve(id, `${here}package.json`)
  },
}

export default {
  title: 'spikewasm',
  description: 'Spiking neural networks that train in Node.js and in web pages, in WebAssembly.',
  lang: 'en',
  base: process.env.BASE ?? '/',
  // Pages stay where they are in the repository; the shelves say what is one, and its address.
  srcDir: '..',
  srcExclude: [
    '!(docs|site|build|*.md)/**',
    'build/!(reference)/**',
    // Parts of docs/exported-file.md.
    'build/reference/exported-file/**',
    ...['README.md', 'site/README.md'],
  ],
  rewrites: Object.fromEntries(
    Object.entries(addresses).map(([page, address]) => [page, `${address}.md`]),
  ),
  outDir: '../build/site',
  cleanUrls: true,
  head: [['link', { rel: 'icon', href: icon }]],
  ignoreDeadLinks: [isElsewhere],
  markdown: {
    anchor: { slugify: anchorOf },
    config: (md) => {
      const { fence } = md.renderer.rules
      // Examples of comments are indented: they look like the others, and keys reach them.
      md.renderer.rules.code_block = (tokens, i, ...rest) => {
        tokens[i].info = 'js'
        return fence(tokens, i, ...rest)
      }
      md.use(turnLinks)
    },
    // The usual themes have comments of a contrast below 4.5.
    theme: { light: 'github-light-high-contrast', dark: 'github-dark-high-contrast' },
  },
  themeConfig: {
    logo: { src: icon, alt: '' },
    nav: [
      ...Object.entries(shelves).map(([shelf, { title, pages }]) => ({
        text: title,
        link: items(pages)[0].link,
        activeMatch: `^/${shelf}/`,
      })),
      { text: 'Play', link: '/play/', target: '_self' },
    ],
    sidebar,
    outline: { level: [2, 3] },
    search: { provider: 'local', options: { miniSearch: searching, _render: textForSearch } },
  },
  vite: {
    // The engine is a file beside the package's scripts, where the pre-bundler would lose it.
    optimizeDeps: { exclude: ['spikewasm'] },
    build: { target: 'es2022', chunkSizeWarningLimit: 900 },
    plugins: [packagesFromHere],
    server: { host: '127.0.0.1' },
    preview: { host: '127.0.0.1' },
  },
}
