/**
 * Rules about Effect programs in `src`: nothing runs unsupervised, waits without a bound, reads a clock that a test
 * cannot turn, or throws a `Result` away. Each is a table of forbidden `Module.member` pairs plus what to do instead;
 * a module is recognised by the name it is imported under, which is the file's own.
 */
import { allowed, isBrowser, isWorkerEntry, pathOf, roomOf } from "./place.js"

const nameOf = (member) => member.computed ? member.property.value : member.property.name

/** A rule over files of `src` that have no entry in the allow-list. `visitors` gets a `report(node, message)`. */
const rule = (id, applies, visitors) => ({
  create(context) {
    const path = pathOf(context.filename)
    if (roomOf(path) === undefined || !applies(path) || allowed[id][path] !== undefined) return {}
    return visitors((node, message) => context.report({ node, message }))
  }
})

const everywhere = () => true

/** D.2: what outlives its caller is a named child of a Supervisor. */
export const noUnsupervisedFork = rule("no-unsupervised-fork", everywhere, (report) => {
  const forks = new Set(["forkDetach", "runFork", "runForkWith"])
  const check = (node, name) => {
    if (forks.has(name)) report(node, `${name} starts a fiber that nobody watches: give it to the Supervisor`)
  }
  return {
    MemberExpression: (node) => check(node, nameOf(node)),
    ImportSpecifier: (node) => check(node, node.imported.name)
  }
})

/** S3.44: every queue has a capacity. `Queue.make` is unbounded unless it is told one. */
export const noUnboundedQueue = rule("no-unbounded-queue", everywhere, (report) => {
  const message = "an unbounded queue grows with the backlog until the process dies: give it a capacity"
  const queues = new Set(["Queue", "PubSub", "TxQueue", "TxPubSub"])
  const isMake = (callee) =>
    callee.type === "MemberExpression" && callee.object.name === "Queue" && nameOf(callee) === "make"
  return {
    MemberExpression: (node) => {
      if (queues.has(node.object.name) && nameOf(node) === "unbounded") report(node, message)
    },
    ImportDeclaration: (node) => {
      if (!/^effect\/(Tx)?(Queue|PubSub)$/.test(node.source.value)) return
      for (const specifier of node.specifiers) {
        if (specifier.imported?.name === "unbounded") report(specifier, message)
      }
    },
    CallExpression: (node) => {
      if (!isMake(node.callee)) return
      const [options] = node.arguments
      const bounded = options?.type === "ObjectExpression" &&
        options.properties.some((property) => property.key?.name === "capacity")
      if (!bounded) report(node, message)
    },
    Property: (node) => {
      if (node.key.name === "capacity" && node.value.value === "unbounded") report(node, message)
    }
  }
})

/**
 * S3.42: no lock is held while something else is waited for: whoever wants it next waits for that too, and an
 * interruption in between leaves the state half changed. State is changed in one step (`Ref`, `Tx…`), or belongs to one
 * fiber that is asked.
 */
export const noMutex = rule("no-mutex", everywhere, (report) => {
  const message = "a lock held over an await: change the state in one step, or give it to one fiber"
  const locks = new Set(["TxReentrantLock", "SynchronizedRef"])
  return {
    MemberExpression: (node) => {
      if (locks.has(node.object.name)) report(node, message)
    },
    CallExpression: (node) => {
      const { arguments: [permits], callee } = node
      const isLock = callee.type === "MemberExpression" && callee.object.name === "Semaphore" &&
        /^make(Unsafe)?$/.test(nameOf(callee)) && permits?.value === 1
      if (isLock) report(node, message)
    }
  }
})

/** The driver's own flag calls an administrator's shutdown permanent, and a full disk too. */
export const noIsRetryable = rule("no-is-retryable", everywhere, (report) => {
  const message = "isRetryable is wrong for outages: ask SqlFault.classify"
  return {
    MemberExpression: (node) => {
      if (nameOf(node) === "isRetryable") report(node, message)
    },
    ObjectPattern: (node) => {
      for (const property of node.properties) if (property.key?.name === "isRetryable") report(property, message)
    }
  }
})

const isRoom = (path) => !isBrowser(path) && !isWorkerEntry(path)

/**
 * Time, chance and surroundings come from Effect's services, so that a test can turn them. The Effect diagnostics see
 * only code inside effects; this rule sees plain functions too. `console` is `eslint/no-console`.
 */
export const noClockBypass = rule("no-clock-bypass", isRoom, (report) => {
  const members = {
    "Date.now": "Clock.currentTimeMillis",
    "performance.now": "Clock.currentTimeNanos",
    "Math.random": "Random.next",
    "process.env": "Config",
    "process.hrtime": "Clock.currentTimeNanos"
  }
  const calls = {
    Date: "DateTime.now",
    setImmediate: "Effect.yieldNow",
    setInterval: "Schedule.spaced",
    setTimeout: "Effect.sleep"
  }
  const say = (name, instead) => `${name} cannot be turned by a test: use ${instead}`
  return {
    MemberExpression: (node) => {
      const object = node.object.type === "MemberExpression" ? nameOf(node.object) : node.object.name
      const name = `${object}.${nameOf(node)}`
      if (Object.hasOwn(members, name)) report(node, say(name, members[name]))
    },
    CallExpression: (node) => {
      const name = node.callee.type === "MemberExpression" && node.callee.object.name === "globalThis"
        ? nameOf(node.callee)
        : node.callee.name
      if (Object.hasOwn(calls, name ?? "")) report(node, say(name, calls[name]))
    },
    NewExpression: (node) => {
      if (node.callee.name === "Date" && node.arguments.length === 0) report(node, say("new Date()", "DateTime.now"))
    },
    ImportDeclaration: (node) => {
      if (/^(node:)?timers(\/promises)?$/.test(node.source.value)) report(node, say(node.source.value, "Effect.sleep"))
    }
  }
})

/** What hands its failure back as a value, beside everything in the module `Result` itself. */
const returnsResult = (object, name) =>
  object === "Result" || name === "trySubmit" ||
  (object === "Timetable" && /^(parse|parseInterval|cron)$/.test(name)) ||
  (object === "Cron" && name === "parse") || (object === "Effect" && name === "result") ||
  /^(de|en)code\w*Result$/.test(name)

/** D.3: a `Result` that nobody looks at is a failure that nobody sees. */
export const noIgnoredResult = rule("no-ignored-result", everywhere, (report) => ({
  ExpressionStatement: (node) => {
    const value = node.expression.type === "YieldExpression" ? node.expression.argument : node.expression
    if (value?.type !== "CallExpression" || value.callee.type !== "MemberExpression") return
    const { object } = value.callee
    const name = nameOf(value.callee)
    if (typeof name === "string" && returnsResult(object.name, name)) {
      report(node, `${name} returns its failure as a Result: look at it, or say why not`)
    }
  }
}))
