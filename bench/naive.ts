/**
 * The same work in plain JavaScript loops over typed arrays, as a first version would be written.
 * All tensors are NHWC, weights [k][N].
 */

export interface ConvShape {
  readonly inC: number
  readonly inH: number
  readonly outC: number
  readonly outH: number
  readonly kernel: number
  readonly stride: number
  readonly pad: number
}

/**
 * Calls back for every tap of the first `rows` rows of the output: offsets of the input pixel, the
 * output pixel and the tap's weights.
 */
function eachTap(
  s: ConvShape,
  rows: number,
  visit: (input: number, output: number, weight: number) => void,
): void {
  for (let oy = 0; oy < rows; oy++)
    for (let ox = 0; ox < s.outH; ox++)
      for (let ky = 0; ky < s.kernel; ky++)
        for (let kx = 0; kx < s.kernel; kx++) {
          const y = oy * s.stride - s.pad + ky
          const x = ox * s.stride - s.pad + kx
          if (y >= 0 && y < s.inH && x >= 0 && x < s.inH)
            visit(
              (y * s.inH + x) * s.inC,
              (oy * s.outH + ox) * s.outC,
              (ky * s.kernel + kx) * s.inC * s.outC,
            )
        }
}

/** Out += In ∗ W. */
export function convForward(
  s: ConvShape,
  rows: number,
  out: Float32Array,
  input: Float32Array,
  weight: Float32Array,
): void {
  const { inC, outC } = s
  eachTap(s, rows, (i, o, w) => {
    for (let c = 0; c < inC; c++) {
      const value = input[i + c]
      for (let n = 0; n < outC; n++) out[o + n] += value * weight[w + c * outC + n]
    }
  })
}

/** dIn += δ ∗ Wᵀ. */
export function convInputGradient(
  s: ConvShape,
  rows: number,
  out: Float32Array,
  delta: Float32Array,
  weight: Float32Array,
): void {
  const { inC, outC } = s
  eachTap(s, rows, (i, o, w) => {
    for (let c = 0; c < inC; c++) {
      let sum = 0
      for (let n = 0; n < outC; n++) sum += delta[o + n] * weight[w + c * outC + n]
      out[i + c] += sum
    }
  })
}

/** dW += Inᵀ δ. */
export function convWeightGradient(
  s: ConvShape,
  rows: number,
  out: Float32Array,
  delta: Float32Array,
  input: Float32Array,
): void {
  const { inC, outC } = s
  eachTap(s, rows, (i, o, w) => {
    for (let c = 0; c < inC; c++) {
      const value = input[i + c]
      for (let n = 0; n < outC; n++) out[w + c * outC + n] += value * delta[o + n]
    }
  })
}

/** C = A·B, [m][k] · [k][n]. */
export function matmul(
  c: Float32Array,
  a: Float32Array,
  b: Float32Array,
  m: number,
  n: number,
  k: number,
): void {
  for (let i = 0; i < m; i++)
    for (let j = 0; j < n; j++) {
      let sum = 0
      for (let p = 0; p < k; p++) sum += a[i * k + p] * b[p * n + j]
      c[i * n + j] = sum
    }
}

/**
 * LIF over T steps of [P][T][C] with scale and shift, rates and eligibilities of the sigmoid
 * surrogate (λ = 0.2, θ = 1, α = 4, soft reset).
 */
export function neuron(
  out: Uint8Array,
  eligibility: Float32Array,
  current: Float32Array,
  scale: Float32Array,
  shift: Float32Array,
  T: number,
): void {
  const C = scale.length
  for (let i = 0; i < out.length; i++) {
    const c = i % C
    const first = ((i - c) / C) * T * C + c
    let [v, rho, g, mask] = [0, 1, 0, 0]
    for (let t = 0; t < T; t++) {
      const u = 0.2 * v + scale[c] * current[first + t * C] + shift[c]
      const s = 1 / (1 + Math.exp(-4 * (u - 1)))
      g += 4 * s * (1 - s) * rho
      rho = 1 + 0.2 * rho
      if (u >= 1) mask |= 1 << t
      v = u >= 1 ? u - 1 : u
    }
    out[i] = mask
    eligibility[i] = g / T
  }
}

/** Σ x and Σ x² of each channel of [rows][C]. */
export function normStatistics(sums: Float64Array, x: Float32Array, C: number): void {
  sums.fill(0)
  for (let i = 0; i < x.length; i++) {
    sums[i % C] += x[i]
    sums[C + (i % C)] += x[i] * x[i]
  }
}

/** dx = γ/σ (δ − mean δ − x̂ mean(δ x̂)). */
export function normBackward(
  out: Float32Array,
  delta: Float32Array,
  xhat: Float32Array,
  sums: Float64Array,
  factor: Float32Array,
): void {
  const C = factor.length
  sums.fill(0)
  for (let i = 0; i < delta.length; i++) {
    sums[i % C] += delta[i]
    sums[C + (i % C)] += delta[i] * xhat[i]
  }
  const rows = delta.length / C
  for (let i = 0; i < delta.length; i++) {
    const c = i % C
    out[i] = factor[c] * (delta[i] - sums[c] / rows - (xhat[i] * sums[C + c]) / rows)
  }
}

/** SGD with momentum and weight decay. */
export function sgd(
  parameters: Float32Array,
  velocities: Float32Array,
  gradients: Float32Array,
): void {
  for (let i = 0; i < parameters.length; i++) {
    velocities[i] = 0.9 * velocities[i] + gradients[i] + 5e-4 * parameters[i]
    parameters[i] -= 0.1 * velocities[i]
  }
}
