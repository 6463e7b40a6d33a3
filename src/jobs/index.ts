export * as Job from "./Job.ts"
export * as JobError from "./JobError.ts"
export * as JobFilter from "./JobFilter.ts"
export * as JobStore from "./JobStore.ts"
