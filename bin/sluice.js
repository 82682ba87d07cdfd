#!/usr/bin/env node
/**
 * The `sluice` command: starts cli/main.ts on the Node 24 that comes with the packages.
 *
 * Plain JavaScript, because it has to be read by Node 20. Already on Node 24 (every `npm run` is) it loads the program
 * into this process; otherwise it starts Node 24 as a child and is invisible: same terminal, signals, exit code.
 */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const main = join(root, 'cli', 'main.ts')
const node24 = join(root, 'node_modules', 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node')

if (!existsSync(node24)) {
  process.stderr.write(
    `sluice: the packages are not installed in ${root}\n` +
      'Run `npm ci` there once (`npm start` and `npm test` do it by themselves). If they are installed and this is still\n' +
      'said, install scripts are switched off: `npm config set ignore-scripts false`, then `npm ci` again.\n',
  )
  process.exit(1)
}

if (process.versions.node.split('.')[0] === '24') {
  // The program finds its own arguments where it would if it had been started directly.
  process.argv[1] = main
  await import(pathToFileURL(main).href)
} else {
  const child = spawn(node24, [...process.execArgv, main, ...process.argv.slice(2)], { stdio: 'inherit' })
  // A terminal sends Ctrl-C to both of us, so the program may see it twice; a supervisor signals only this process.
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP']
  const forward = (signal) => child.kill(signal)
  for (const signal of signals) process.on(signal, forward)
  child.on('error', (error) => {
    process.stderr.write(`sluice: ${node24} does not start: ${error.message}\nRun \`npm ci\` in ${root} again.\n`)
    process.exit(1)
  })
  child.on('exit', (code, signal) => {
    for (const each of signals) process.off(each, forward)
    if (signal) process.kill(process.pid, signal)
    else process.exit(code ?? 1)
  })
}
