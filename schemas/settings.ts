/**
 * The settings that are stored with a log when it is created: every number on which its outputs depend, with its
 * default.
 */

/** Defaults; times in milliseconds. A log keeps the values with which it was created. */
export const defaultSettings = {
  /** Number of input partitions, N. */
  partitions: 4,
  /** Length of a settlement cycle; cycles start at multiples of it since 1970-01-01 UTC. */
  cycleMs: 300_000,
  /** How long after its end, in stream time, a cycle stays open. */
  graceMs: 30_000,
  /** A tick moves stream time to its instant minus this. */
  allowedDelayMs: 1_000,
  /** How long an identity is known, inclusive. */
  dedupHorizonMs: 86_400_000,
  /** Event times before this (1990-01-01 UTC) are implausible. */
  earliestEventTime: 631_152_000_000,
  /** Event times further than this after acceptance are implausible. */
  maxAheadMs: 30_000,
  /** A ticker that is further than this ahead of another is refused. */
  maxSkewMs: 1_000,
  /** `serve`: a tick into every partition this often ... */
  serveTickMs: 250,
  /** ... and this often while nothing comes in (embedded). */
  serveIdleTickMs: 1_000,
  /** `run`: a tick into every partition after this many rows. */
  runTickRows: 1_000,
  /** `serve`: a mark after this many ticks per partition of the log (4 x N ticks). */
  serveMarkTicksPerPartition: 4,
  /** `run`: a mark after this many ticks (decision 0018). */
  runMarkTicks: 200,
  /** Most rows of one insert block of the sink. */
  insertBlockRows: 50_000,
  /** Name of the scheme, part of every instruction id. */
  scheme: 'sluice',
}

/** The settings of one log. */
export type Settings = Readonly<typeof defaultSettings>

/** Ticks between two marks of a source task when time is the wall's (`serve`). */
export const serveMarkTicks = (settings: Settings): number => settings.serveMarkTicksPerPartition * settings.partitions
