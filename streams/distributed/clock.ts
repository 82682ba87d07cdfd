/** The clock of a distributed deployment is the machine's, as everywhere: only tickers and intakes ask it. */
export { systemClock } from '../embedded/clock.ts'
