/**
 * Matrix products on packed panels (after Goto and van de Geijn, ACM TOMS 2008). The micro kernel
 * of tile.ts computes a tile of 5×8 from
 *
 *   a: panel [k][5]     five rows of A, one k after the other
 *   b: panel [k][8]     eight columns of B, `ldb` bytes from one k to the next
 *
 * Convolutions pack panels of their own and share the micro kernels.
 */

import { check } from '../base/check'
import { Dense } from '../opcodes'
import { packA, packPanel8 } from './pack'
import { addTile, EDGE_BYTES, KC, MR, micro, NR } from './tile'

/** Rows of A packed at a time. */
const MC: i32 = Dense.ProductRows

/**
 * c[m][n] = a · b, or += with `more`, where strides between elements are in bytes. c must not
 * overlap a or b. Scratch: `matmulScratch(n)` bytes.
 */
export function product(
  c: usize,
  a: usize,
  ars: usize,
  acs: usize,
  b: usize,
  brs: usize,
  bcs: usize,
  m: i32,
  n: i32,
  k: i32,
  scratch: usize,
  more: bool,
): void {
  check(m > 0 && n > 0 && k > 0)
  const ldc = (<usize>n) << 2
  const edge = scratch
  const pa = scratch + EDGE_BYTES
  const pb = pa + <usize>(MC * KC * 4)
  for (let k0 = 0; k0 < k; k0 += KC) {
    const kc = min(KC, k - k0)
    for (let j = 0; j < n; j += NR)
      packPanel8(
        pb + <usize>(j * kc * 4),
        b + <usize>k0 * brs + <usize>j * bcs,
        brs,
        bcs,
        min(NR, n - j),
        kc,
      )
    for (let i0 = 0; i0 < m; i0 += MC) {
      const mc = min(MC, m - i0)
      packA(pa, a + <usize>i0 * ars + <usize>k0 * acs, ars, acs, mc, kc)
      for (let j = 0; j < n; j += NR) {
        const panel = pb + <usize>(j * kc * 4)
        const columns = min(NR, n - j)
        for (let i = 0; i < mc; i += MR) {
          const to = c + <usize>(i0 + i) * ldc + ((<usize>j) << 2)
          const from = pa + <usize>(i * kc * 4)
          const rows = min(MR, mc - i)
          const whole = rows == MR && columns == NR
          if (whole && k0 == 0 && !more) micro(to, ldc, from, panel, 32, kc)
          else {
            micro(edge, 32, from, panel, 32, kc)
            if (whole) addTile(to, ldc, edge)
            else storeEdge(to, ldc, edge, rows, columns, k0 > 0 || more)
          }
        }
      }
    }
  }
}

/** c = or += the part of a 5×8 tile that lies inside c. */
function storeEdge(c: usize, ldc: usize, tile: usize, rows: i32, columns: i32, add: bool): void {
  for (let i = 0; i < rows; i++) {
    for (let j: usize = 0; j < (<usize>columns) << 2; j += 4)
      store<f32>(c + j, (add ? load<f32>(c + j) : 0) + load<f32>(tile + j))
    c += ldc
    tile += 32
  }
}

/** Bytes of scratch that `product` needs for n columns. */
export function matmulScratch(n: i32): i32 {
  return <i32>EDGE_BYTES + MC * KC * 4 + ((n + 7) & ~7) * KC * 4
}
