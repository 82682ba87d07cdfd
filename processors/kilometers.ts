/** How far apart two countries are, in whole kilometers, from the committed table: by index, for hot loops. */
import { countryCodes, kilometersBase64 } from '../schemas/countries.ts'

/** What countryIndex answers for a code that is not in the table. */
export const noCountry = 255

const codes = countryCodes.trim().split(/\s+/)
const count = codes.length

const indexes = new Uint8Array(26 * 26).fill(noCountry)
for (const [index, code] of codes.entries()) {
  indexes[(code.charCodeAt(0) - 65) * 26 + (code.charCodeAt(1) - 65)] = index
}

/** The whole square, so that a lookup is one read: 125 kB for 250 countries. */
const square = new Uint16Array(count * count)
const triangle = Buffer.from(kilometersBase64, 'base64')
for (let i = 0, at = 0; i < count; i++) {
  for (let j = i + 1; j < count; j++, at += 2) {
    const kilometers = triangle.readUInt16LE(at)
    square[i * count + j] = kilometers
    square[j * count + i] = kilometers
  }
}

/** Index of the country whose code is these two bytes, or 255 (noCountry). */
export function countryIndex(byte1: number, byte2: number): number {
  if (byte1 < 65 || byte1 > 90 || byte2 < 65 || byte2 > 90) return noCountry
  return indexes[(byte1 - 65) * 26 + (byte2 - 65)]
}

/** Kilometers between two countries by their indexes (not 255); 0 within one country. */
export function kilometersBetween(a: number, b: number): number {
  return square[a * count + b]
}
