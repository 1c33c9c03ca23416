const LAST_PROMISE = 10;

/** The promises that a text names, such as `P1 to P3, P7`: their numbers, in order. */
export function promisesIn(text: string): readonly number[] {
  const named = new Set<number>();
  for (const [, first, last = first] of text.matchAll(/\bP(\d+)(?: to P(\d+))?\b/g)) {
    for (let promise = Number(first); promise <= Math.min(Number(last), LAST_PROMISE); promise++) named.add(promise);
  }
  return [...named].toSorted((a, b) => a - b);
}

/** Their names; three or more in a row as `P1 to P3`. */
export function namesOf(promises: readonly number[]): string {
  const names: string[] = [];
  for (let i = 0; i < promises.length;) {
    let end = i;
    while (promises[end + 1] === promises[end]! + 1) end++;
    if (end - i < 2) end = i;
    names.push(end === i ? `P${promises[i]}` : `P${promises[i]} to P${promises[end]}`);
    i = end + 1;
  }
  return names.join(', ');
}
