/** What a record holds itself: names such as `constructor` are no less free than others. */

/** The value of a name, or undefined where there is none but what all objects inherit. */
export const own = <T>(record: Readonly<Record<string, T>>, name: string): T | undefined =>
  Object.hasOwn(record, name) ? record[name] : undefined

/** Adds to the number of a name. */
export function addTo(record: Record<string, number>, name: string, value: number): void {
  record[name] = (own(record, name) ?? 0) + value
}
