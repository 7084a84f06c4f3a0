/** The code of `worker.ts` with all that it imports, as text; `tools/bundle.mjs` writes it. */
export const script: string
