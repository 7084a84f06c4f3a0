/** In a page this stands for `check.ts`: Node checks plans, which are the same there. */

export const checkReads = (): void => {}
