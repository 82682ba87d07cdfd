/** A configuration under which nothing is served or sent; tests change what they are about. */
import { loadConfiguration } from '../../../cli/configuration/load.ts'

export const quiet = loadConfiguration({ env: {} }).observe
