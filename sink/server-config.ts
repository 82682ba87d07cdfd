/** The files of a ClickHouse server of our own: configuration, users, and the passwords that only this directory's owner reads. */
import { randomBytes } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { createHash } from 'node:crypto'
import { join } from 'node:path'

export interface Credentials {
  readonly user: string
  readonly password: string
}

/** Who may log in: `admin` for the sink's own writer, `analyst` for everybody else. */
export interface Access {
  readonly admin: Credentials
  readonly analyst: Credentials
}

export interface ConfigOptions {
  /** Directory of the server: data, configuration, log. Made with mode 0700. */
  readonly directory: string
  readonly database: string
  /** 0: the system chooses (libchdb only). */
  readonly httpPort: number
  readonly tcpPort: number
  /** Most memory of the whole server, bytes. */
  readonly memoryBytes: number
  /** True: the analyst may write and change tables of the database. */
  readonly writable: boolean
  /** True when the version is the pinned one, so that its newer settings may be used. */
  readonly pinnedVersion: boolean
}

/**
 * Our inserts are blocks of some thousand rows, which the default merges five at a time, again and again: merging took
 * more than inserting (38 ms CPU a block of 4,000 decisions; 23 ms with 30 at a time, and some 30 parts instead of 3).
 */
const FEWER_MERGES = '<min_parts_to_merge_at_once>30</min_parts_to_merge_at_once>'

const xml = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

function writePrivate(path: string, text: string): void {
  const temporary = `${path}.new`
  writeFileSync(temporary, text, { mode: 0o600 })
  chmodSync(temporary, 0o600)
  renameSync(temporary, path)
}

/** Reads the passwords of a directory, or makes them. Every directory has its own. */
export function accessOf(directory: string): Access {
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  chmodSync(directory, 0o700)
  const path = join(directory, 'access.json')
  if (existsSync(path)) return JSON.parse(readFileSync(path, 'utf8')) as Access
  const access: Access = {
    admin: { user: 'sluice', password: randomBytes(24).toString('base64url') },
    analyst: { user: 'analyst', password: randomBytes(9).toString('base64url') },
  }
  writePrivate(path, JSON.stringify(access, null, 2) + '\n')
  return access
}

/**
 * Writes config.xml and users.xml and returns the path of the first.
 *
 * The user `default` is whom libchdb's own session logs in as. It opens the listeners and sleeps; it may see no table, and
 * since it may have one session, which is taken, nobody else can log in as it.
 */
export function writeConfig(options: ConfigOptions, access: Access): string {
  const { directory, database } = options
  const config = `<clickhouse>
  <path>${xml(join(directory, 'data'))}/</path>
  <tmp_path>${xml(join(directory, 'data', 'tmp'))}/</tmp_path>
  <user_files_path>${xml(join(directory, 'data', 'user_files'))}/</user_files_path>
  <format_schema_path>${xml(join(directory, 'data', 'format_schemas'))}/</format_schema_path>
  <users_config>users.xml</users_config>
  <user_directories><users_xml><path>users.xml</path></users_xml></user_directories>
  <logger><level>warning</level><log>${xml(join(directory, 'server.log'))}</log><errorlog>${xml(join(directory, 'server.err.log'))}</errorlog><size>10M</size><count>1</count></logger>
  <listen_host>127.0.0.1</listen_host>
  <http_port>${options.httpPort}</http_port>
  <tcp_port>${options.tcpPort}</tcp_port>
  <max_server_memory_usage>${options.memoryBytes}</max_server_memory_usage>
  <mark_cache_size>67108864</mark_cache_size>
  <max_concurrent_queries>64</max_concurrent_queries>
  <background_pool_size>2</background_pool_size>
  <merge_tree>
    <!-- Defaults assume 16 merge threads; with 2 they would stop merging altogether. -->
    <number_of_free_entries_in_pool_to_execute_mutation>1</number_of_free_entries_in_pool_to_execute_mutation>
    <number_of_free_entries_in_pool_to_lower_max_size_of_merge>1</number_of_free_entries_in_pool_to_lower_max_size_of_merge>
    <number_of_free_entries_in_pool_to_execute_optimize_entire_partition>1</number_of_free_entries_in_pool_to_execute_optimize_entire_partition>
    ${options.pinnedVersion ? FEWER_MERGES : ''}
  </merge_tree>
</clickhouse>
`
  // 26.7 compiles greatest() and least() of signed 128-bit integers as unsigned: greatest(-7000, 0) is -7000 from the
  // fourth run of a query on. Sums of money must not depend on how often one has asked.
  const exact = '<compile_expressions>0</compile_expressions>'
  const loopback = '<networks><ip>127.0.0.1</ip><ip>::1</ip></networks>'
  const grants = (...list: string[]): string =>
    `<grants>${list.map((grant) => `<query>GRANT ${grant}</query>`).join('')}</grants>`
  const analystGrants = options.writable
    ? grants(`ALL ON ${database}.*`, 'TABLE ENGINE ON *')
    : grants(`SELECT, SHOW ON ${database}.*`)
  const users = `<clickhouse>
  <profiles>
    <default>${exact}</default>
    <library><max_sessions_for_user>1</max_sessions_for_user></library>
    <analyst>${exact}<readonly>${options.writable ? 0 : 2}</readonly></analyst>
  </profiles>
  <quotas><default/></quotas>
  <users>
    <default><no_password/><networks><ip>127.0.0.1</ip></networks><profile>library</profile><quota>default</quota>${grants('SYSTEM LISTEN ON *.*', 'SELECT ON system.numbers')}</default>
    <${access.admin.user}><password_sha256_hex>${sha256(access.admin.password)}</password_sha256_hex>${loopback}<profile>default</profile><quota>default</quota></${access.admin.user}>
    <${access.analyst.user}><password_sha256_hex>${sha256(access.analyst.password)}</password_sha256_hex>${loopback}<profile>analyst</profile><quota>default</quota><default_database>${xml(database)}</default_database>${analystGrants}</${access.analyst.user}>
  </users>
</clickhouse>
`
  writePrivate(join(directory, 'users.xml'), users)
  const path = join(directory, 'config.xml')
  writePrivate(path, config)
  return path
}
