/** Names of methods, apart from what they do: small pages need no more. */

/**
 * How gradients are computed. `'rate'`: rate-based backpropagation. `'bptt'`: backpropagation
 * through time. `'ottt'`, `'sltt'`: online through space, step by step, with and without traces of
 * the inputs. `'os'`: as sltt, with batch normalisation over all steps (online stabilisation).
 */
export type Method = 'rate' | 'bptt' | 'ottt' | 'sltt' | 'os'

/** Where the loop over time steps is: inside each layer (`'m'`) or around the network (`'s'`). */
export type StepMode = 'm' | 's'

/** Both step modes. */
export const stepModes: readonly StepMode[] = ['m', 's']

/** Steps whose spikes a byte can count: longer inference runs in calls, outside the layers. */
export const MOST_COUNTED_STEPS = 255

/** Names of all methods. */
export const methodNames: readonly Method[] = ['rate', 'bptt', 'ottt', 'sltt', 'os']
