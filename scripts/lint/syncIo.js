/**
 * `no-sync-io`: no blocking call of `node:fs` or `node:child_process` in `src` outside the command line's bootstrap.
 * A blocking call stops every fiber of the process, heartbeats included. The forbidden names are read from the two
 * modules themselves, so a new one is covered without a change here.
 */
import * as childProcess from "node:child_process"
import * as fs from "node:fs"
import { allowed, pathOf, roomOf } from "./place.js"

const blocking = new Set(Object.keys({ ...fs, ...childProcess }).filter((name) => name.endsWith("Sync")))

export const noSyncIo = {
  create(context) {
    const path = pathOf(context.filename)
    const room = roomOf(path)
    if (room === undefined || room === "cli" || allowed["no-sync-io"][path] !== undefined) return {}
    const report = (node, name) => {
      if (blocking.has(name)) {
        context.report({ node, message: `${name} blocks every fiber of the process: use its asynchronous form` })
      }
    }
    return {
      ImportSpecifier: (node) => report(node, node.imported.name),
      MemberExpression: (node) => report(node, node.computed ? node.property.value : node.property.name),
      ObjectPattern: (node) => {
        for (const property of node.properties) report(property, property.key?.name)
      }
    }
  }
}
