/** Linux counts processor time in hundredths of a second, whatever the frequency of its timer. */
export const MS_PER_TICK = 10;

/** Reads a field of /proc/<pid>/stat by its number in proc(5), from 3 on. */
export function statFields(stat: string): (number: number) => number {
  // The second field, the name in parentheses, may contain spaces.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (number) => Number(fields[number - 3]);
}
