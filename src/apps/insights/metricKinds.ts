/**
 * Every metric that has a value of its own for a day, and how its values come together.
 *
 * `gauge`: the newest value counts. `daily`: the sum over all days counts. `unique`: people counted once a day, whom no
 * sum over days or repositories counts rightly, so there is none. Released names stay: they are rows of the database.
 */
export const metricKinds = {
  additions: "gauge",
  bytes: "gauge",
  commits: "gauge",
  contributors: "gauge",
  deletions: "gauge",
  files: "gauge",
  followers: "gauge",
  forks: "gauge",
  open_change_requests: "gauge",
  open_issues: "gauge",
  releases: "gauge",
  repositories: "gauge",
  stars: "gauge",
  subscribers: "gauge",
  clone_uniques: "unique",
  clones: "daily",
  downloads: "daily",
  fetches: "daily",
  view_uniques: "unique",
  views: "daily"
} as const

/** The name of a metric. */
export type MetricName = keyof typeof metricKinds
