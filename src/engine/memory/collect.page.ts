/** In a page this stands for `collect.ts`: nobody can ask for collections there. */

export const collect = async (): Promise<void> => {}

export const collectNow = (): void => {}

export const tidy = async (): Promise<void> => {}

export const letGo = async (_bytes: number): Promise<void> => {}

// In a page this stands for `addresses.ts`: nobody knows of its addresses.

export const expectAddresses = (_needs: string, _cause: RangeError): void => {}
