/** `npm run example -- NAME [ARGUMENTS]`: runs one of the folders beside this file. */
import { readdirSync } from "node:fs"

const names = readdirSync(import.meta.dirname, { withFileTypes: true }).filter((entry) => entry.isDirectory()).map((
  { name }
) => name)
const [name = "", ...args] = process.argv.slice(2)
if (names.includes(name)) {
  process.argv.splice(2, Infinity, ...args)
  await import(`./${name}/main.ts`)
} else {
  console.error(`unknown example ${name || "(none)"}; examples: ${names.join(", ")}`)
  process.exitCode = 64
}
