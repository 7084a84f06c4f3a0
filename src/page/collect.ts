/** In a page this stands for `runtime/collect.ts`: nobody can ask for collections there. */

export const collect = async (): Promise<void> => {}

export const collectNow = (): void => {}

export const tidy = async (): Promise<void> => {}

export const letGo = async (_bytes: number): Promise<void> => {}
