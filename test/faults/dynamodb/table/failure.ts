/** An error as the SDK throws it. */
export function failure(name: string, item?: unknown): Error {
  return Object.assign(new Error(`the simulated table says ${name}`), {
    name,
    ...(item !== undefined && { Item: item }),
  });
}
