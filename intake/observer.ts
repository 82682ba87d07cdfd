/** What an intake tells whoever watches it: once per commit, never per payment. Callbacks return soon and do not throw. */

export interface IntakeObserver {
  /** A group commit that is durable; `ms` from its call. */
  appended(group: { readonly records: number; readonly bytes: number; readonly ms: number }): void
  /** A group commit that failed: whether it is in the log is not known. */
  failed(group: { readonly records: number }, error: Error): void
}
