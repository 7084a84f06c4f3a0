/** The package's version, as in package.json; a constant, so that pages have it too. */
export const VERSION = '0.1.0'
