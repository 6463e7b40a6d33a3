/**
 * An empty project with the package in it as its users get it: built, packed and unpacked, with no way back to the sources.
 * Its dependencies are those that are installed here.
 */
import { cpSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, symlinkSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll } from "vitest"
import { plant, root, runWithin } from "./planted.ts"

// a build may meet a busy machine
const run = (folder: string, command: string, ...args: ReadonlyArray<string>) =>
  runWithin(100_000, folder, command, ...args)

const folders: Array<string> = []
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

const built = ["build.ts", "package.ts", "web.ts", "tsconfig.build.json"].map((file) => `scripts/${file}`)
const copies = ["package.json", "tsconfig.json", "README.md", "LICENSE", "src", ...built]

/** Builds and packs the package, and gives the folder of a new project that has it and these files of the tests. */
export const packed = (...files: ReadonlyArray<string>): string => {
  const source = plant({}, copies)
  succeeded(run(source, "node", "scripts/build.ts"))
  const tarball: string = JSON.parse(succeeded(run(source, "npm", "pack", "--json")))[0].filename

  const project = realpathSync(mkdtempSync(join(tmpdir(), "packed-")))
  folders.push(project)
  const modules = join(project, "node_modules")
  link(join(root, "node_modules"), modules)
  mkdirSync(join(modules, "ostinato"))
  succeeded(run(source, "tar", "-xzf", tarball, "-C", join(modules, "ostinato"), "--strip-components=1"))
  for (const file of files) cpSync(join(root, file), join(project, file.split("/").at(-1) ?? file), { recursive: true })
  return project
}

// a package is found from where it really is: a link to the whole folder would lead back to this repository
const link = (from: string, to: string) => {
  mkdirSync(to)
  for (const name of readdirSync(from).filter((name) => !name.startsWith("."))) {
    if (name.startsWith("@")) link(join(from, name), join(to, name))
    else symlinkSync(realpathSync(join(from, name)), join(to, name))
  }
}

const succeeded = ({ status, stderr, stdout }: ReturnType<typeof runWithin>): string => {
  if (status !== 0) throw new Error(`${stdout}\n${stderr}`)
  return stdout
}
