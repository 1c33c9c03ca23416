/** Called by the probes that are put into the engine as it is loaded. */
type Probe = (branch: string) => void;

const here = globalThis as { probe?: Probe };

/** Tells a run from now on which branches the engine takes. */
export function setProbe(probe: Probe): void {
  here.probe = probe;
}
