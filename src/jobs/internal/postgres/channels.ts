/**
 * Names of the channels by which nodes wake one another (`Notifier`). What is found is in the rows.
 */

/** There may be something to claim. */
export const queue = (name: string) => `jobs/queue/${name}`

/** Something is due before all that was known. */
export const scheduled = "jobs/scheduled"

/** A member has mail. */
export const mail = (worker: number) => `jobs/mail/${worker}`

/** Something about jobs may have changed. */
export const changes = "jobs/changes"
