// What a user of the official TypeScript client does first, against the platform that the environment names.
// Prints one line of JSON: what each step saw.
import { Readable } from 'node:stream'
import { Daytona } from '@daytonaio/sdk'

const daytona = new Daytona()
const sandbox = await daytona.create({ name: 'interop-ts', autoDeleteInterval: -1, labels: { team: 'maps' }, envVars: { UNITS: 'km' } })
const seen = { state: sandbox.state }

const answer = await sandbox.process.executeCommand('echo $UNITS; exit 3')
seen.exec = [answer.exitCode, answer.result]
seen.code = (await sandbox.process.codeRun('print(6 * 7)')).result

await sandbox.fs.uploadFile(Buffer.from('bytes'), 'up.txt')
seen.download = (await sandbox.fs.downloadFile('up.txt')).toString()
seen.files = (await sandbox.fs.listFiles('.')).map((file) => file.name)
seen.everything = {
  files: await files(sandbox.fs),
  sessions: await sessions(sandbox.process),
  terminals: await terminals(sandbox.process),
}

// Stopped behind the client's back: only an event can tell it, where it listens to events.
const asked = { method: 'POST', headers: { Authorization: `Bearer ${process.env.DAYTONA_API_KEY}` } }
await fetch(`${process.env.DAYTONA_API_URL}/sandbox/${sandbox.id}/stop`, asked)
const deadline = Date.now() + 20000
while (process.env.EVENTS && sandbox.state !== 'stopped' && Date.now() < deadline) {
  await new Promise((resolve) => setTimeout(resolve, 20))
}
seen.told = sandbox.state

await sandbox.delete()
try {
  await daytona.get('interop-ts')
} catch (error) {
  seen.deleted = [error.constructor.name, error.statusCode]
}
console.log(JSON.stringify(seen))

async function files(fs) {
  const seen = {}
  await fs.createFolder('d/e', '755')
  await fs.uploadFiles([
    { source: Buffer.from('one\ntwo\n'), destination: 'd/a.txt' },
    { source: Buffer.from('b'), destination: 'd/e/b.txt' },
  ])
  await fs.uploadFileStream(Readable.from([Buffer.from('str'), Buffer.from('eam')]), 'd/s.bin')
  seen.details = (await fs.getFileDetails('d/a.txt')).size
  seen.find = (await fs.findFiles('d', 'two')).map((match) => [match.line, match.content])
  seen.search = (await fs.searchFiles('d', '*.txt')).files.sort()
  seen.replace = (await fs.replaceInFiles(['d/a.txt'], 'two', '2')).map((one) => one.success)
  await fs.setFilePermissions('d/a.txt', { mode: '600' })
  await fs.moveFiles('d/a.txt', 'd/moved.txt')
  const many = await fs.downloadFiles([{ source: 'd/moved.txt' }, { source: 'd/none' }])
  seen.many = many.map((one) => (one.error ? 'error' : one.result.toString()))
  const pieces = []
  for await (const piece of await fs.downloadFileStream('d/s.bin')) pieces.push(piece)
  seen.stream = Buffer.concat(pieces).toString()
  await fs.deleteFile('d', true)
  seen.left = (await fs.listFiles('.')).map((file) => file.name)
  return seen
}

async function sessions(process) {
  const seen = {}
  await process.createSession('s')
  const done = await process.executeSessionCommand('s', { command: 'echo o; echo e >&2; (exit 4)' })
  seen.command = [done.exitCode, done.stdout, done.stderr]
  const started = await process.executeSessionCommand('s', {
    command: 'read x; echo got $x; echo e >&2',
    runAsync: true,
    suppressInputEcho: true,
  })
  await process.sendSessionCommandInput('s', started.cmdId, 'word\n')
  const streams = { out: '', err: '' }
  await process.getSessionCommandLogs(
    's',
    started.cmdId,
    (chunk) => (streams.out += chunk),
    (chunk) => (streams.err += chunk),
  )
  seen.streamed = streams
  const logs = await process.getSessionCommandLogs('s', started.cmdId)
  seen.logs = [logs.stdout, logs.stderr]
  seen.exitCode = (await process.getSessionCommand('s', started.cmdId)).exitCode
  seen.session = (await process.getSession('s')).commands.map((command) => command.exitCode)
  seen.list = (await process.listSessions()).map((session) => session.sessionId)
  await process.deleteSession('s')
  seen.left = await process.listSessions()
  return seen
}

async function terminals(process) {
  const seen = {}
  let output = ''
  const onData = (data) => {
    output += Buffer.from(data).toString()
  }
  let pty = await process.createPty({ id: 't', cwd: '/tmp', envs: { CITY: 'Oslo é' }, cols: 30, rows: 10, onData })
  await pty.waitForConnection()
  await pty.sendInput('stty size; echo "$CITY:$PWD"; exit 7\n')
  const ended = await pty.wait()
  seen.ended = [ended.exitCode, output.includes('10 30'), output.includes('Oslo é:/tmp')]
  pty = await process.createPty({ id: 'u', onData })
  await pty.waitForConnection()
  const size = await pty.resize(6, 5)
  seen.size = [size.rows, size.cols]
  await process.resizePtySession('u', 8, 7)
  const info = await process.getPtySessionInfo('u')
  seen.info = [info.id, info.rows, info.cols]
  await pty.disconnect()
  pty = await process.connectPty('u', { onData })
  await pty.waitForConnection()
  seen.list = (await process.listPtySessions()).map((one) => one.id)
  await pty.kill()
  seen.killed = (await pty.wait()).exitCode
  await process.createPty({ id: 'v', onData })
  await process.killPtySession('v')
  seen.left = await process.listPtySessions()
  return seen
}

process.exit(0) // the client keeps a connection for events open
