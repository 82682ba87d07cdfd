/**
 * The JavaScript text that reads one number in a compiled decoder: varints of up to seven bytes inline, the rest by
 * call.
 */
export type NumberName = 'int' | 'long' | 'float' | 'double'

/**
 * Lines that read a number at p, move p behind it and run `then(value)`, an assignment that may stand there several
 * times.
 * `rounded`: the value is rounded to a float. `names`: three variables that nothing else uses.
 */
export function numberText(
  type: NumberName,
  rounded: boolean,
  then: (value: string) => string,
  [x, z, y]: readonly [string, string, string],
): string[] {
  const lines: string[] = []
  const line = (text: string): number => lines.push(text)
  if (type === 'float' || type === 'double') {
    const size = type === 'float' ? 4 : 8
    line(`if (end - p < ${size}) break decode`)
    line(then(`view.get${type === 'float' ? 'Float32' : 'Float64'}(p, true)`))
    line(`p += ${size}`)
    return lines
  }
  const out = (value: string): string => then(rounded ? `Math.fround(${value})` : value)
  const small = out(`(${z} >>> 1) ^ -(${z} & 1)`)
  const slow = [
    `p = readVarint(bytes, p, end)`,
    `if (p < 0) break decode`,
    ...(type === 'int' ? [`if (varintOut[0] !== (varintOut[0] | 0)) break decode`] : []),
    out('varintOut[0]'),
    `if (varintOut[1] !== 0) canonical = 0`,
  ].join('; ')
  line(`if (p >= end) break decode`)
  line(`let ${x} = bytes[p]`)
  line(`let ${z} = ${x} & 127`)
  line(`if (${x} < 128) { p++; ${small} }`)
  line(`else if (end - p < 8) { ${slow} }`)
  line(`else {`)
  line(`${x} = bytes[p + 1]; ${z} |= (${x} & 127) << 7`)
  line(`if (${x} < 128) { p += 2; ${small} }`)
  line(`else { ${x} = bytes[p + 2]; ${z} |= (${x} & 127) << 14`)
  line(`if (${x} < 128) { p += 3; ${small} }`)
  line(`else { ${x} = bytes[p + 3]; ${z} |= (${x} & 127) << 21`)
  line(`if (${x} < 128) { p += 4; ${small} }`)
  if (type === 'int') line(`else { ${x} = 1; ${slow} }`)
  else {
    // Times take six bytes: 28 bits in z, the rest in y, together exact up to seven bytes.
    const large = out(`(${z} & 1) === 0 ? ${y} * 134217728 + (${z} >>> 1) : -1 - ${y} * 134217728 - (${z} >>> 1)`)
    line(`else { ${x} = bytes[p + 4]; let ${y} = ${x} & 127`)
    line(`if (${x} < 128) { p += 5; ${large} }`)
    line(`else { ${x} = bytes[p + 5]; ${y} |= (${x} & 127) << 7`)
    line(`if (${x} < 128) { p += 6; ${large} }`)
    line(`else { ${x} = bytes[p + 6]; ${y} |= (${x} & 127) << 14`)
    line(`if (${x} < 128) { p += 7; ${large} }`)
    line(`else { ${x} = 1; ${slow} } } } }`)
  }
  line(`} }`)
  line(`if (${x} === 0) canonical = 0`)
  line(`}`)
  return lines
}
