import { vi } from 'vitest';

/**
 * Vitest gives a condition one second, unless a test says otherwise, and looks at it every 50 ms. A machine with other
 * load takes a second for one connection.
 */
const PATIENCE = { timeout: 30_000, interval: 10 };

/** The files of a process share `vi`. */
if (!('isPatient' in vi)) {
  const { waitFor, waitUntil } = vi;
  const patient = (options: number | object = {}) => ({
    ...PATIENCE,
    ...(typeof options === 'number' ? { timeout: options } : options),
  });
  Object.assign(vi, {
    isPatient: true,
    waitFor: ((callback, options) => waitFor(callback, patient(options))) satisfies typeof waitFor,
    waitUntil: ((callback, options) => waitUntil(callback, patient(options))) satisfies typeof waitUntil,
  });
}
