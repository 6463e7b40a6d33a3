/**
 * How many people a project hangs on: the least number of authors who together made at least half of its commits.
 */

/** From the commits of each author, in any order. Zero without commits. */
export const busFactor = (commits: ReadonlyArray<number>): number => {
  const all = commits.reduce((sum, own) => sum + own, 0)
  let made = 0
  let people = 0
  for (const own of commits.toSorted((a, b) => b - a)) {
    if (made * 2 >= all) break
    made += own
    people += 1
  }
  return people
}
