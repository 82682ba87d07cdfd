/**
 * Runs one ClickHouse server and dies with its parent: when standard input closes, the server ends.
 *
 *   node launcher.ts library LIBCHDB CONFIG PORTS_FILE     libchdb in server mode, in this process
 *   node launcher.ts program CLICKHOUSE CONFIG PID_FILE    a `clickhouse` program as a child of this process
 *
 * The library has no server entry, but the main of clickhouse-local, whose SYSTEM START LISTEN opens the listeners. They
 * stay open as long as a query runs, so one runs for ever. There is no orderly stop: an acknowledged insert is a renamed
 * part, so kill -9 loses nothing, and one way to end is one way to test (an orderly stop takes 4 s and crashes at its end).
 * Calls go through ffi-rs: others call on a stack of their own, which the engine refuses.
 */
import { spawn } from 'node:child_process'
import { writeFileSync, writeSync } from 'node:fs'

const [kind, binary, config, reportFile] = process.argv.slice(2)

// The parent ends this process on purpose, so a signal to the whole group (Ctrl-C) must not come first.
process.on('SIGINT', () => {})
process.on('SIGHUP', () => {})

let end = (): void => {
  process.kill(process.pid, 'SIGKILL')
}

async function library(): Promise<void> {
  const { default: ffi } = await import('ffi-rs')
  ffi.open({ library: 'chdb', path: binary })
  const quoted = reportFile.replaceAll('\\', '\\\\').replaceAll("'", "\\'")
  const statements = [
    'SYSTEM START LISTEN HTTP',
    'SYSTEM START LISTEN TCP',
    `SELECT getServerPort('http_port'), getServerPort('tcp_port') INTO OUTFILE '${quoted}' TRUNCATE FORMAT TSV`,
    'SELECT sleepEachRow(1) FROM system.numbers SETTINGS max_block_size = 1 FORMAT Null',
  ]
  const args = ['clickhouse', `--config-file=${config}`, '--log-level=warning', '--query', statements.join('; ')]
  const result = await ffi.load({
    library: 'chdb',
    funcName: 'chdb_query_cmdline',
    retType: ffi.DataType.External,
    paramsType: [ffi.DataType.I32, ffi.DataType.StringArray],
    paramsValue: [args.length, args],
    runInNewThread: true,
  })
  const message = ffi.load({
    library: 'chdb',
    funcName: 'chdb_result_error',
    retType: ffi.DataType.String,
    paramsType: [ffi.DataType.External],
    paramsValue: [result],
  })
  writeSync(2, `${message}\n`)
  // Not exit: the library's threads are still there and crash in its destructors.
  process.kill(process.pid, 'SIGKILL')
}

function program(): void {
  const server = spawn(binary, ['server', `--config-file=${config}`], { stdio: ['ignore', 'inherit', 'inherit'] })
  server.on('error', (error) => {
    writeSync(2, `${error.message}\n`)
    process.exit(1)
  })
  server.on('exit', (code) => process.exit(code ?? 1))
  if (server.pid !== undefined) writeFileSync(reportFile, `${server.pid}\n`, { mode: 0o600 })
  end = () => {
    server.kill('SIGTERM')
    setTimeout(() => server.kill('SIGKILL'), 5_000)
  }
}

process.stdin.on('end', () => end())
process.stdin.on('close', () => end())
process.stdin.on('error', () => end())
process.stdin.resume()
if (kind === 'library') await library()
else program()
