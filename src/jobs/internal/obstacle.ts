/** What stands in the way of a setting, in the words of both stores. Whose setting it is, whoever tells them says. */

export const orderStands = "it holds jobs that were ordered as it is now: change fair or ageing when it is empty"

export const ordersTwice = "it can order by tenant (fair) or by age (ageing), not by both"

export const noLimit = (name: string) => `there is no limit ${name}: set it first`

export const holdsJobs = "it holds jobs that have not ended"

export const served = (nodes: ReadonlyArray<string>) => `workers serve it: ${nodes.join(", ")}`

export const ordersByKey = "it is the limit behind orderBy"

export const limitsQueues = (queues: ReadonlyArray<string>) => `queues obey it: ${queues.join(", ")}`

export const limitsJobs = "jobs that have not ended name it"

export const noAge = (ms: number) => `a job cannot age by ${ms} ms: give at least 1, or null for no ageing`
