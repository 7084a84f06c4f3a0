// Which page of the repository stands where on the site. The sidebar, the addresses and the links
// between pages follow from shelves.json; a page that is not in it is linked to as source.
import shelves from './shelves.json' with { type: 'json' }

/** Shelves in their order: what a shelf is called, and its pages with their titles in the sidebar. */
export { shelves }

const nameOf = (page) =>
  page.replace(/^(docs|bench|build\/reference|site\/[\w-]+)\//, '').toLowerCase()

/** Addresses of pages, without the first slash, by their files. */
export const addresses = {
  'site/index.md': 'index',
  ...Object.fromEntries(
    Object.entries(shelves).flatMap(([shelf, { pages }]) =>
      Object.keys(pages).map((page) => [page, `${shelf}/${nameOf(page).replace(/\.md$/, '')}`]),
    ),
  ),
}

/** Titles of pages in the sidebar. */
export const titles = Object.assign({}, ...Object.values(shelves).map(({ pages }) => pages))

/** Parts of the site that VitePress does not build. */
export const elsewhere = { '/api/': 'Every function and type', '/play/': 'Try it in this page' }
