/**
 * Small projects made on the spot, on which the checks run as they run on the real one: same settings, same tools, other
 * files. Everything lies in a folder of its own below the system's temporary folder and is removed after the test file.
 */
import { spawnSync } from "node:child_process"
import { cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { afterAll } from "vitest"

export const root = join(import.meta.dirname, "..", "..")

const folders: Array<string> = []
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

/** Makes a project of the given files (path → text), after copies of the real project's own. */
export const plant = (files: Readonly<Record<string, string>>, copies: ReadonlyArray<string> = []): string => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "house-")))
  folders.push(folder)
  symlinkSync(realpathSync(join(root, "node_modules")), join(folder, "node_modules"))
  for (const copy of copies) cpSync(join(root, copy), join(folder, copy), { recursive: true })
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), text)
  }
  return folder
}

/** Runs a tool of the project, or `node` itself, to its end. */
export const run = (folder: string, command: string, ...args: ReadonlyArray<string>) =>
  runWithin(25_000, folder, command, ...args)

/** The same with another limit, in milliseconds. */
export const runWithin = (timeout: number, folder: string, command: string, ...args: ReadonlyArray<string>) => {
  const bin = join(root, "node_modules", ".bin")
  const env = { ...process.env, PATH: `${bin}:${process.env["PATH"]}`, FORCE_COLOR: undefined, NO_COLOR: "1" }
  const { status, stderr, stdout } = spawnSync(command, args, { cwd: folder, encoding: "utf8", env, timeout })
  return { status, stdout, stderr }
}
