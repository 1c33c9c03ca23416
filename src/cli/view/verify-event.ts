import type { VerifyStep } from '../../client/index.ts';
import type { VerifyEvent } from '../../core/verify/events.ts';

/** A step of the client as the event that an engine reports: both are shown by the same code. */
export function toVerifyEvent(step: VerifyStep): VerifyEvent {
  if (step.kind !== 'finding') return step;
  const { findingKind, ...others } = step;
  // One that only a newer server knows: its message says what it is, and it is no less wrong.
  return { ...others, kind: findingKind === 'unknown' ? 'mismatch' : findingKind };
}
