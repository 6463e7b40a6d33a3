/**
 * An empty project with the package in it as its users get it: built, packed and unpacked, with no way back to the sources.
 * Its dependencies are those that are installed here. It is built and packed once in a run of the suite.
 */
import { cpSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, symlinkSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll } from "vitest"
import { once } from "../fixtures/once/Once.ts"
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

const archive = "package.tgz"

/** The package as it would be published. */
export const tarball = async (): Promise<string> => {
  const folder = await once("package", (folder) => {
    const source = plant({}, copies)
    succeeded(run(source, "node", "scripts/build.ts"))
    const packed: string = JSON.parse(succeeded(run(source, "npm", "pack", "--json")))[0].filename
    cpSync(join(source, packed), join(folder, archive))
  })
  return join(folder, archive)
}

/** A new project that has the package and these files of the tests. */
export const packed = async (...files: ReadonlyArray<string>): Promise<string> => {
  const project = realpathSync(mkdtempSync(join(tmpdir(), "packed-")))
  folders.push(project)
  const modules = join(project, "node_modules")
  link(join(root, "node_modules"), modules)
  mkdirSync(join(modules, "ostinato"))
  succeeded(run(project, "tar", "-xzf", await tarball(), "-C", join(modules, "ostinato"), "--strip-components=1"))
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
