// What a user of the official TypeScript client does first, against the platform that the environment names.
// Prints one line of JSON: what each step saw.
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

// Stopped behind the client's back: only an event can tell it.
const asked = { method: 'POST', headers: { Authorization: `Bearer ${process.env.DAYTONA_API_KEY}` } }
await fetch(`${process.env.DAYTONA_API_URL}/sandbox/${sandbox.id}/stop`, asked)
const deadline = Date.now() + 20000
while (sandbox.state !== 'stopped' && Date.now() < deadline) {
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
process.exit(0) // the client keeps a connection for events open
