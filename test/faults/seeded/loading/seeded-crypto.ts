import { randomByte } from '../time/globals.ts';

// Stands in for node:crypto where src creates request_ids.

export function randomFillSync(bytes: Uint8Array): Uint8Array {
  for (let i = 0; i < bytes.length; i++) bytes[i] = randomByte();
  return bytes;
}

export function randomUUID(): string {
  const hex = Array.from({ length: 16 }, () => randomByte().toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}
