/** The JavaScript text that passes over the blocks of an array, or of a map, in a compiled decoder. */

/** Lines in front of what passes over one item at p, and behind it. `names`: four variables that nothing else uses. */
export function arrayText([n, blocks, blockEnd, j]: readonly [string, string, string, string]): {
  readonly before: readonly string[]
  readonly after: readonly string[]
} {
  return {
    before: [
      `for (let ${blocks} = 0; ; ${blocks}++) {`,
      `p = readVarint(bytes, p, end); if (p < 0) break decode`,
      `if (varintOut[1] !== 0) canonical = 0`,
      `let ${n} = varintOut[0], ${blockEnd} = -1`,
      `if (${n} === 0) break`,
      `if (${blocks} > 0 || ${n} < 0) canonical = 0`,
      `if (${n} < 0) { ${n} = -${n}; p = readVarint(bytes, p, end); if (p < 0) break decode`,
      `if (varintOut[0] < 0) break decode; ${blockEnd} = p + varintOut[0] }`,
      // Every item takes at least one byte, so the loop is bounded by the value's size.
      `if (${n} > end - p) break decode`,
      `for (let ${j} = 0; ${j} < ${n}; ${j}++) {`,
    ],
    after: [`}`, `if (${blockEnd} >= 0 && ${blockEnd} !== p) break decode`, `}`],
  }
}
