/** init: makes a line on Kafka and Redis, once; said again it changes nothing. */

import { initCluster } from './cluster.ts'
import { configurationOf, type ConfigurationFlags } from './configuration/flags.ts'
import { settingsOf, type SettingOptions } from './options.ts'
import { exitCodes, print, printJson, say } from './output.ts'

interface InitOptions extends SettingOptions, ConfigurationFlags {
  readonly json?: boolean
}

export async function init(options: InitOptions): Promise<number> {
  const configuration = configurationOf(options)
  const { line, made } = await initCluster(configuration, settingsOf(options))
  try {
    for (const warning of line.warnings) say(`Warning: ${warning}`)
    const { prefix } = configuration.kafka
    const { partitions, cycleMs } = line.settings
    if (options.json === true) printJson({ made, manifest: line.manifest })
    else {
      print(
        `${made ? 'Made' : 'There already, as asked'}: line ${prefix}, ${partitions} partitions, cycles of ${cycleMs / 1000} s.`,
      )
      if (made) print('Now: sluice worker (as many as you like), sluice sink, sluice serve. See docs/distributed.md.')
    }
    return exitCodes.ok
  } finally {
    await line.backend.close()
  }
}
