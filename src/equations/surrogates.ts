/** Derivatives of the step function that stand in for a spike's, as texts of x, the distance. */

/** x: potential minus threshold; alpha: sharpness. */
export const surrogateTexts: Readonly<Record<string, string>> = {
  // α/4 / cosh²(αx/2), from products: cosh(x/2) − 1 ≈ y₃, where
  //   y₀ = (0.0668…·x)²,  y₁ = y₀(y₀ + a),  y₂ = y₁(y₁ + b),  y₃ = y₂(y₂ + c)
  // follows cosh(2x) − 1 = 2y(y + 2) with y = cosh(x) − 1; four products give degree 16.
  // 1/(1 + y₃)² is within 3.6e-7 of 1/cosh²(x/2), and within 5.4e-7 in float32. All numbers are
  // positive: nothing cancels, nothing has to be clamped, and the result falls to 0 for large x.
  // The constants were found by linear programming on the error of the result.
  sigmoid: `y = (0.066837804*alpha*x)^2
    y = y*(y + 2.8197235)
    y = y*(y + 3.5129895)
    y = y*(y + 2.8247537)
    alpha/4 / (y + 1)^2`,
  atan: 'alpha/2 / (1 + (pi/2*alpha*x)^2)',
  triangle: 'alpha*max(1 - abs(alpha*x), 0)',
  rectangle: 'where(abs(2*alpha*x) < 1, alpha, 0)',
  fastSigmoid: '1 / (1 + abs(alpha*x))^2',
  piecewiseExp: 'alpha/2*exp(-abs(alpha*x))',
  erf: 'alpha/sqrt(pi)*exp(-(alpha*x)^2)',
}
