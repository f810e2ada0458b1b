// Calls what a TypeScript client of any version has, on one sandbox from its birth to its end.
// Prints one line of JSON: how many calls there were, and those that failed, with why.
import { Daytona, Image } from '@daytonaio/sdk'

const daytona = new Daytona()
const unique = Math.random().toString(36).slice(2, 10)
const quiet = { onLogs: () => {}, onSnapshotCreateLogs: () => {} }
const failed = {}
let calls = 0

// Return what a method answers; one that this version does not have is left out.
async function call(service, method, ...args) {
  if (typeof service?.[method] !== 'function') return undefined
  calls += 1
  try {
    return await service[method](...args)
  } catch (error) {
    failed[`${service.constructor.name}.${method}`] = `${error.name}: ${error.message}`
  }
}

async function each(service, calls) {
  for (const [method, ...args] of calls) await call(service, method, ...args)
}

function first(service, ...methods) {
  return methods.find((method) => typeof service[method] === 'function')
}

async function settings(sandbox) {
  await each(sandbox, [
    ['refreshData'], ['getUserHomeDir'], ['getWorkDir'], ['setLabels', { a: 'b' }], ['setAutostopInterval', 30],
    ['setAutoArchiveInterval', 60], ['setAutoDeleteInterval', -1], ['setAutoPauseInterval', 0], ['setTtl', 600],
    ['setPublic', true], ['refreshActivity'], ['getPreviewLink', 3000], ['getSignedPreviewUrl', 3000, 60],
    ['updateNetworkSettings', { networkBlockAll: false }], ['updateEnv', { B: 'c' }], ['getMetrics'], ['getMetricsLatest'],
    ['rotateSigningKey'], ['downloadUrl', 'a'], ['uploadUrl', 'a'], ['resize', { cpu: 2 }], ['waitForResizeComplete'],
  ])
  const access = await call(sandbox, 'createSshAccess', 5)
  await each(sandbox, [['validateSshAccess', access.token], ['revokeSshAccess', access.token]])
}

async function git(sandbox) {
  const begin = 'git init -q --bare -b main origin && git init -q -b main r && cd r && git remote add origin ~/origin'
  await call(sandbox.process, 'executeCommand', `${begin} && git config push.autoSetupRemote true`)
  await call(sandbox.fs, 'uploadFile', Buffer.from('1'), 'r/f')
  await each(sandbox.git, [
    ['add', 'r', ['f']], ['commit', 'r', 'one', 'Me', 'me@example.com'], ['push', 'r'], ['pull', 'r'], ['status', 'r'],
    ['branches', 'r'], ['createBranch', 'r', 'b'], ['checkoutBranch', 'r', 'main'], ['deleteBranch', 'r', 'b'],
    ['clone', '/home/daytona/origin', 'c'],
  ])
}

async function code(sandbox) {
  const context = await call(sandbox.codeInterpreter, 'createContext')
  await each(sandbox.codeInterpreter, [['runCode', '1', { context }], ['listContexts'], ['deleteContext', context]])
  await call(sandbox.fs, 'createFolder', 'p', '755')
  await call(sandbox.fs, 'uploadFile', Buffer.from('def f():\n    return 1\nf\n'), 'p/a.py')
  const server = await call(sandbox, 'createLspServer', 'python', 'p')
  await each(server, [
    ['start'], ['didOpen', 'p/a.py'], ['documentSymbols', 'p/a.py'], ['sandboxSymbols', 'f'],
    ['completions', 'p/a.py', { line: 2, character: 1 }], ['didClose', 'p/a.py'], ['stop'],
  ])
}

async function life(sandbox) {
  await each(sandbox, [['pause'], ['start']])
  const fork = await call(sandbox, first(sandbox, 'fork', '_experimental_fork'), { name: `fork-${unique}` })
  await call(fork, 'delete')
  const take = first(sandbox, 'createSnapshot', '_experimental_createSnapshot')
  await call(sandbox, take, `taken-${unique}`)
  if (take) await call(daytona.snapshot, 'delete', await call(daytona.snapshot, 'get', `taken-${unique}`))
  await each(sandbox, [['stop'], ['waitUntilStopped'], ['start'], ['waitUntilStarted']])
  await call(daytona, 'stop', sandbox)
  await call(sandbox, 'archive')
  await call(daytona, 'start', sandbox)
}

async function images() {
  await call(daytona.snapshot, 'create', { name: `made-${unique}`, image: Image.base('host').env({ A: unique }) }, quiet)
  await call(daytona.snapshot, 'list')
  await call(daytona.snapshot, 'delete', await call(daytona.snapshot, 'get', `made-${unique}`))
  await call(await call(daytona, 'create', { image: Image.base('host').env({ B: unique }) }, quiet), 'delete')
}

const volume = await call(daytona.volume, 'create', `volume-${unique}`)
await each(daytona.volume, [['get', volume.name], ['list']])
const volumes = [{ volumeId: volume.id, mountPath: '/mnt/v' }]
const sandbox = await call(daytona, 'create', { volumes, autoDeleteInterval: -1, envVars: { A: 'b' } })
await call(daytona, 'get', sandbox.id)
await settings(sandbox)
await git(sandbox)
await code(sandbox)
await life(sandbox)
await images()
const secret = await call(daytona.secret, 'create', { name: `secret_${unique}`, value: 'v' })
await each(daytona.secret, [['list'], ['delete', secret?.id]])
await call(daytona, 'delete', sandbox)
console.log(JSON.stringify({ calls, failed }))
process.exit(0)
