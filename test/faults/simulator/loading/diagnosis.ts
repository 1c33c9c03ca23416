// Stands in for src/client/connection/diagnosis.ts, which looks at a real port.

export async function diagnose(): Promise<undefined> {
  return undefined;
}

export async function diagnoseProxy(): Promise<undefined> {
  return undefined;
}
