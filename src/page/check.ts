/** In a page this stands for `plan/check.ts`: Node checks plans, which are the same there. */

export const checkReads = (): void => {}
