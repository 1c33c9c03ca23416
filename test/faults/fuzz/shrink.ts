/** Checks of one input, at most. */
const MAX_CHECKS = 400;

/** A smaller input that shows the same, if it has a length: bytes or text. */
export async function shrunk<Input>(input: Input, showsSame: (smaller: Input) => Promise<boolean>): Promise<Input> {
  let smallest = input;
  let checks = 0;
  for (let size = lengthOf(input) >> 1; size > 0 && checks < MAX_CHECKS; size >>= 1) {
    for (let at = 0; at < lengthOf(smallest) && checks < MAX_CHECKS;) {
      const smaller = without(smallest, at, at + size);
      checks++;
      if (await showsSame(smaller)) smallest = smaller;
      else at += size;
    }
  }
  return smallest;
}

function lengthOf(input: unknown): number {
  return typeof input === 'string' || input instanceof Uint8Array ? input.length : 0;
}

function without<Input>(input: Input, from: number, to: number): Input {
  if (typeof input === 'string') return (input.slice(0, from) + input.slice(to)) as Input;
  const bytes = input as unknown as Uint8Array;
  return Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)]) as unknown as Input;
}
