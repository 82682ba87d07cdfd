/**
 * Makes sure that node_modules is what package-lock.json says, and installs it when it is not.
 *
 * Runs before `npm start`, `npm test` and `npm run sluice`, on whatever Node the machine has, with no package installed:
 * so plain CommonJS, and syntax that an old Node can read far enough to be told that it is too old.
 * Everything it prints goes to stderr: stdout belongs to the command (`--json`).
 */
'use strict'
const { spawnSync } = require('child_process')
const { createHash } = require('crypto')
const fs = require('fs')
const path = require('path')

const root = path.dirname(__dirname)
const modules = path.join(root, 'node_modules')
const stamp = path.join(modules, '.installed-from')
const guard = path.join(root, '.installing')
const node24 = path.join(modules, 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node')
const libchdb = path.join(modules, '@chdb', 'lib-linux-x64-gnu', 'libchdb.so')

const say = (text) => process.stderr.write('sluice: ' + text + '\n')
function stop(text) {
  say(text)
  process.exit(1)
}

function read(file) {
  try {
    return fs.readFileSync(file, 'utf8')
  } catch (error) {
    if (error.code === 'ENOENT') return undefined
    throw error
  }
}

/** The lock's content as one name; throws when there is no lock, because then nothing can be promised. */
const lockHash = () =>
  createHash('sha256')
    .update(fs.readFileSync(path.join(root, 'package-lock.json')))
    .digest('hex')

/** Whether npm's own record of what it has put here names the lock's packages, so that a hand-run `npm ci` counts. */
function recordAgrees() {
  const record = read(path.join(modules, '.package-lock.json'))
  if (record === undefined) return false
  const installed = JSON.parse(record).packages
  const locked = JSON.parse(fs.readFileSync(path.join(root, 'package-lock.json'), 'utf8')).packages
  for (const name of Object.keys(locked)) {
    if (name === '') continue
    const there = installed[name]
    if (there ? there.version !== locked[name].version : !locked[name].optional) return false
  }
  return true
}

function installed() {
  if (!fs.existsSync(node24)) return false
  const hash = lockHash()
  const known = read(stamp)
  if (known === hash) return true
  if (!recordAgrees()) return false
  fs.writeFileSync(stamp, hash)
  return true
}

/** The search path without our own packages: `npm ci` deletes them, so it must not run on the Node that lies there. */
function pathOutside() {
  const own = path.join(modules, '.bin')
  const separator = path.delimiter
  return (process.env.PATH || '')
    .split(separator)
    .filter((entry) => path.resolve(entry) !== own)
    .join(separator)
}

/** Takes the guard file; waits while another living process holds it (`npm start` and `npm test` at the same time). */
function takeGuard() {
  for (;;) {
    try {
      fs.writeFileSync(guard, String(process.pid), { flag: 'wx' })
      return
    } catch (error) {
      if (error.code !== 'EEXIST') {
        stop('cannot write in ' + root + ': ' + error.message + '. The packages are installed there: make it writable.')
      }
    }
    let alive = false
    try {
      const holder = Number(read(guard))
      // A crash leaves the file behind, and its process number may be somebody else's by now: no install takes an hour.
      alive = holder > 0 && process.kill(holder, 0) && Date.now() - fs.statSync(guard).mtimeMs < 3600000
    } catch (error) {
      alive = error.code === 'EPERM'
    }
    if (alive) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500)
    else fs.rmSync(guard, { force: true })
  }
}

function install() {
  say('installing the locked packages into node_modules (once; about 850 MB on disk, most of it ClickHouse) ...')
  const windows = process.platform === 'win32'
  const done = spawnSync(windows ? 'npm.cmd' : 'npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
    env: Object.assign({}, process.env, { PATH: pathOutside() }),
    shell: windows,
  })
  if (done.error)
    stop('npm does not start: ' + done.error.message + '. Install npm, then run `npm ci` in ' + root + '.')
  if (done.status !== 0)
    stop('`npm ci` failed (see above). Check network and disk space, then run it again in ' + root + '.')
  if (!fs.existsSync(node24)) {
    stop(
      'Node 24 was not unpacked: install scripts are switched off. `npm config set ignore-scripts false`, then again.',
    )
  }
  fs.writeFileSync(stamp, lockHash())
  say('installed.')
}

/** Says what is missing when this machine cannot start a ClickHouse of its own and none is named. */
function checkClickHouse() {
  if (process.env.SLUICE_CLICKHOUSE_URL || fs.existsSync(libchdb)) return
  const here = process.platform + ' ' + process.arch
  say(
    here === 'linux x64'
      ? 'the ClickHouse that comes as a package is missing (it needs glibc and 600 MB of disk). Run `npm ci` again, or'
      : 'a ClickHouse of its own comes only with Linux x64; this machine is ' +
          here +
          '. Here an endpoint has to be given:',
  )
  say('set SLUICE_CLICKHOUSE_URL=http://user:password@host:8123 to one that you run, or put `clickhouse` on the PATH.')
}

if (Number(process.versions.node.split('.')[0]) < 20) {
  stop('this is Node ' + process.versions.node + '. Install Node 20 or newer, then run the command again.')
}
if (!installed()) {
  takeGuard()
  try {
    if (!installed()) install()
  } finally {
    fs.rmSync(guard, { force: true })
  }
}
checkClickHouse()
