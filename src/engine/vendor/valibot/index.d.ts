/** Types of the bundled Valibot; `tools/bundle.mjs` copies the code. */
export * from 'valibot'
