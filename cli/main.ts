/** The command line: every command with its options; the only place that composes the rooms. */

import { Command, CommanderError, Option } from 'commander'
import { configurationOptions } from './configuration/flags.ts'
import { whole, dataOption, jsonOption, settingOptions } from './options.ts'
import { exitCodes, say, UsageError } from './output.ts'

const program = new Command('sluice')
  .description('Turns a log of payment transactions into settlements that can be proved.')
  .version('0.1.0')
  .showHelpAfterError('(--help shows the options)')
  .exitOverride()

/** Runs a command's function and keeps its exit code; modules are loaded when they are asked for. */
const run =
  <Args extends unknown[]>(load: () => Promise<(...args: Args) => Promise<number> | number>) =>
  async (...args: Args): Promise<void> => {
    const command = await load()
    process.exitCode = await command(...args)
  }

const clickhouseOption = (): Option =>
  new Option('--no-clickhouse', 'without tables: log and state only, no questions can be asked')
const batchRowsOption = (): Option =>
  new Option('--batch-rows <n>', 'most rows of one commit (the result does not depend on it)')
    .argParser(whole(1))
    .hideHelp()
const showAccountsOption = (): Option =>
  new Option('--show-accounts', 'show account numbers in logs and on the page instead of masking them')

settingOptions(
  program
    .command('demo', { isDefault: false })
    .description('generated payments settle in a browser, in simulated time (what npm start runs)')
    .addOption(new Option('--payments <n>', 'stop after so many payments').argParser(whole(1)))
    .addOption(new Option('--exit', 'as fast as possible, then print the balance sheet and exit'))
    .addOption(new Option('--seed <n>', 'seed of the generator').argParser(whole(0)).default(1))
    .addOption(new Option('--speed <n>', 'simulated seconds per second').argParser(whole(1, 3600)).default(60))
    .addOption(new Option('--port <n>', 'port of the page; 0 takes any').argParser(whole(0, 65_535)).default(8080))
    .addOption(
      new Option('--data <directory>', 'keep the data here (default: a temporary directory, removed at the end)'),
    )
    .addOption(clickhouseOption())
    .addOption(showAccountsOption())
    .addOption(jsonOption()),
).action(run(async () => (await import('./demo.ts')).demo))

const importing = configurationOptions(
  program
    .command('run')
    .description(
      'import files (CSV, NDJSON, Avro; - is standard input) and settle them; can be killed and started again',
    )
    .argument('<files...>')
    .addOption(dataOption())
    .option('--mapping <module>', 'TypeScript module that maps rows of another layout')
    .option('--producer <name>', 'producer of rows in our own columns that name none')
    .option('--members <file>', "member list as JSON, or 'any': every bank is a member")
    .option('--late', "take rows that are older than the log's clock; they are settled late")
    .addOption(clickhouseOption())
    .addOption(batchRowsOption())
    .addOption(jsonOption()),
)
settingOptions(importing).action(run(async () => (await import('./run.ts')).run))

program
  .command('describe')
  .description("the topologies in Kafka Streams' text format")
  .option('--mermaid', 'as a Mermaid flowchart')
  .addOption(jsonOption())
  .action(run(async () => (await import('./describe.ts')).describe))

program
  .command('generate')
  .description('seeded payments as CSV in our own columns')
  .addOption(new Option('--payments <n>', 'how many').argParser(whole(1)).default(10_000))
  .addOption(new Option('--seed <n>', 'seed').argParser(whole(0)).default(1))
  .addOption(new Option('--banks <n>', 'number of banks').argParser(whole(2, 1000)).default(8))
  .addOption(new Option('--disorder <ms>', 'most milliseconds that a row comes late').argParser(whole(0)).default(0))
  .addOption(new Option('--duplicates <share>', 'share of exact copies').argParser(Number).default(0.02))
  .addOption(new Option('--conflicts <share>', 'share of same id, other content').argParser(Number).default(0.001))
  .addOption(
    new Option('--returns <share>', 'share of refunds, reversals, chargebacks').argParser(Number).default(0.02),
  )
  .addOption(new Option('--rate <n>', 'payments per second of event time').argParser(Number))
  .option('--out <file>', 'file to write; - is standard output', '-')
  .option('--labels <file>', 'fraud labels, kept aside')
  .action(run(async () => (await import('./generate.ts')).generate))

const serve = configurationOptions(
  program
    .command('serve')
    .description('payments over HTTP, settled by the wall clock; over Kafka when brokers are configured')
    .addOption(dataOption())
    .option('--members <file>', "member list as JSON, or 'any'; needed once, the log remembers it")
    .addOption(new Option('--port <n>', 'port; 0 takes any (default: 8080)').argParser(whole(0, 65_535)))
    .option('--host <address>', 'address to listen on (default: 127.0.0.1)')
    .addOption(
      new Option('--metrics-port <n>', 'port of /metrics, /health and /ready (default: none)').argParser(
        whole(0, 65_535),
      ),
    )
    .option('--public-host <name...>', 'names under which a proxy reaches this server')
    .addOption(new Option('--clickhouse-port <n>', 'HTTP port of ClickHouse').argParser(whole(1, 65_535)))
    .option('--writable', 'the printed ClickHouse user may write')
    .addOption(clickhouseOption())
    .addOption(showAccountsOption()),
)
settingOptions(serve).action(run(async () => (await import('./serve-options.ts')).serveCommand))

const holds = program.command('holds').description('held transactions: list, release, reject')
configurationOptions(holds.command('list'))
  .description('what is held, oldest first')
  .addOption(dataOption())
  .addOption(new Option('--limit <n>', 'at most so many').argParser(whole(1)).default(100))
  .addOption(showAccountsOption())
  .addOption(jsonOption())
  .action(run(async () => (await import('./holds.ts')).list))
for (const action of ['release', 'reject'] as const) {
  const command = holds
    .command(action)
    .description(action === 'release' ? 'let it join the oldest open cycle' : 'decline it for good')
    .argument('<transactionId>')
    .requiredOption('--producer <name>', 'its producer')
    .requiredOption('--payer-account <account>', 'its payer account')
    .requiredOption('--by <who>', 'who decides')
    .requiredOption('--why <why>', 'why')
    .option('--resolution-id <id>', 'id of this resolution: repeated it changes nothing')
    .addOption(dataOption())
    .addOption(jsonOption())
  if (action === 'release') {
    command.option('--not-settled-elsewhere', 'needed for what came too late to be checked for copies')
  }
  configurationOptions(command).action(run(async () => (await import('./holds.ts')).resolve(action)))
}

configurationOptions(program.command('ask'))
  .description('a named question to the tables; without a name the list of questions')
  .argument('[name]')
  .argument('[parameters...]', 'name=value')
  .addOption(dataOption())
  .option('--csv', 'as CSV')
  .addOption(jsonOption())
  .action(run(async () => (await import('./ask.ts')).ask))

configurationOptions(program.command('sql'))
  .description('read-only SQL to the tables')
  .argument('<query>')
  .addOption(dataOption())
  .option('--csv', 'as CSV')
  .addOption(jsonOption())
  .action(run(async () => (await import('./ask.ts')).sql))

const bench = program
  .command('bench')
  .description('measurements, one per claim; each checks its result in the same run')
for (const [name, about] of [
  ['kernel', 'the payments line as shipped, without I/O, beside a yardstick of columns'],
  ['embedded', 'from the log on disk to committed state, outputs and rows in ClickHouse'],
  ['kafka', 'the workload pay-1 on Kafka and Redis, against Kafka Streams on the same broker (docs/peers.md)'],
  ['payments', 'the payments line as shipped on Kafka and Redis, and what its state costs Redis'],
] as const) {
  const command = bench
    .command(name)
    .description(about)
    .addOption(new Option('--events <n>', 'events of a round').argParser(whole(1000)))
    .addOption(new Option('--rounds <n>', 'rounds that count').argParser(whole(1, 100)))
    .addOption(jsonOption())
  if (name === 'kernel') command.option('--stages', 'also say where the CPU goes')
  if (name === 'kafka') {
    command.option('--faults', 'also catching up with 10 s of grace, and kill -9 over old data')
    command.addOption(new Option('--only <name>', 'ours alone, without Kafka Streams').choices(['sluice']))
  }
  command.action(run(async () => (await import('./bench.ts'))[name]))
}
bench
  .command('http')
  .description('single posts through a real serve: payments per second at 1, 10, 100 and 1000 at a time')
  .addOption(new Option('--seconds <n>', 'per step').argParser(whole(1, 600)).default(4))
  .option('--kafka', 'over Kafka and Redis: each answered after acks=all')
  .addOption(jsonOption())
  .action(run(async () => (await import('./bench.ts')).http))
bench
  .command('latency')
  .description('payments at a fixed rate on Kafka: from the intended send to the decision that a reader sees')
  .addOption(
    new Option('--rates <n,n>', 'payments a second, one run each')
      .argParser((text: string) => text.split(',').map((one) => whole(100)(one)))
      .default([5000, 10_000]),
  )
  .addOption(new Option('--seconds <n>', 'measured, after 10 to warm up').argParser(whole(1, 600)).default(30))
  .addOption(new Option('--only <name>', 'ours alone, without Kafka Streams').choices(['sluice']))
  .addOption(jsonOption())
  .action(run(async () => (await import('./bench.ts')).latency))

configurationOptions(program.command('verify'))
  .description('process the log again from its start in a second directory; compare digests and rows')
  .addOption(dataOption())
  .addOption(clickhouseOption())
  .addOption(batchRowsOption())
  .addOption(jsonOption())
  .action(run(async () => (await import('./verify.ts')).verify))

const snapshots = program.command('snapshots').description('states of tasks as files: take, list, restore')
const snapshotCommand = (name: string, description: string): Command =>
  configurationOptions(
    snapshots
      .command(name)
      .description(description)
      .requiredOption('--directory <dir>', 'where the files are')
      .addOption(jsonOption()),
  )
snapshotCommand('take', 'of every task, while it runs; by hand: a worker takes them by itself')
  .addOption(dataOption())
  .action(run(async () => (await import('./snapshots.ts')).take))
snapshotCommand('list', 'the newest of each task first, each read whole and checked').action(
  run(async () => (await import('./snapshots.ts')).list),
)
snapshotCommand('restore', 'the newest that fits, for every task whose state the store has lost')
  .addOption(dataOption())
  .action(run(async () => (await import('./snapshots.ts')).restore))

configurationOptions(
  settingOptions(
    program
      .command('init')
      .description('make a line on Kafka and Redis: topics, manifest, the beginning of every task; once')
      .addOption(jsonOption()),
  ),
).action(run(async () => (await import('./init.ts')).init))

const schemas = program.command('schemas').description('schemas in a schema registry: register, check, list')
configurationOptions(
  schemas
    .command('register')
    .description("register the line's schemas, or a producer's from a file, with a compatibility rule per subject")
    .argument('[file]', "Avro schema of a producer's transactions")
    .addOption(
      new Option('--compatibility <rule>', 'rule of each subject')
        .choices(['FULL', 'FULL_TRANSITIVE', 'BACKWARD', 'BACKWARD_TRANSITIVE'])
        .default('FULL'),
    )
    .addOption(jsonOption()),
).action(run(async () => (await import('./schemas.ts')).register))
configurationOptions(
  schemas
    .command('check')
    .description('what registering would do, and what is incompatible, field by field; changes nothing')
    .argument('[file]', "Avro schema of a producer's transactions")
    .addOption(jsonOption()),
).action(run(async () => (await import('./schemas.ts')).check))
configurationOptions(
  schemas
    .command('list')
    .description('every subject of the line with its versions, ids and rule')
    .addOption(jsonOption()),
).action(run(async () => (await import('./schemas.ts')).list))

configurationOptions(
  program
    .command('worker')
    .description('run tasks of a line on Kafka; several share them')
    .option('--with-sink', 'also carry the outputs into ClickHouse (worker.withSink)'),
).action(run(async () => (await import('./worker.ts')).worker))

configurationOptions(
  program
    .command('sink')
    .description('carry the outputs of a line on Kafka into ClickHouse; several at once change nothing'),
).action(run(async () => (await import('./sink.ts')).sink))

configurationOptions(
  program
    .command('balance')
    .description('the balance sheet of a line as it is now')
    .addOption(dataOption())
    .addOption(jsonOption()),
).action(run(async () => (await import('./balance.ts')).balance))

configurationOptions(
  program
    .command('config')
    .description('the configuration in force, where each value came from, secrets masked')
    .addOption(jsonOption()),
).action(run(async () => (await import('./config.ts')).config))

try {
  await program.parseAsync()
} catch (error) {
  process.exitCode = exitCodeOf(error)
}
// Every command has closed what it opened. A connection that was cut off can still keep Node from ending, busily and for
// ever, while it waits for that one's close; so the end is said.
process.stdout.write('', () => process.stderr.write('', () => process.exit()))

/** Says what went wrong in words; a bug shows its stack. */
function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.refused
  const code = (error as { code?: unknown }).code
  if (error instanceof UsageError) {
    say(`sluice: ${error.message}`)
    return exitCodes.refused
  }
  if (typeof code === 'string' && code.startsWith('SLUICE_')) {
    const { message } = error as Error
    say(`sluice: ${message.startsWith(code) ? message : `${code}: ${message}`}`)
    return /^SLUICE_(IMPORT|ASK)_/.test(code) ? exitCodes.refused : exitCodes.fault
  }
  say(error instanceof Error ? (error.stack ?? error.message) : String(error))
  return exitCodes.fault
}
