import type { X509Certificate } from 'node:crypto';

const DAY_MS = 86_400_000;
/** How long before its expiry a certificate gets a warning. */
const SOON_DAYS = 14;

/** What happens while a certificate is not valid. */
export const EFFECT = {
  ofOwn: 'clients refuse it',
  ofAuthority: 'clients with certificates from it are refused',
} as const;

export function isValidAt({ validFromDate, validToDate }: X509Certificate, now: Date): boolean {
  return validFromDate <= now && now < validToDate;
}

/**
 * What an operator should know about the validity period of a certificate, if anything: one sentence. `file` names the
 * file, `effect` says what happens while the certificate is not valid.
 */
export function validityWarning(
  { validFromDate: from, validToDate: to }: X509Certificate,
  { file, effect }: { readonly file: string; readonly effect: string },
  now: Date,
): string | undefined {
  const remedy = 'replace it (no restart needed)';
  if (to <= now) return `${file} has a certificate that expired on ${dayOf(to)}: ${effect}; ${remedy}`;
  if (from > now) {
    return `${file} has a certificate that is not valid before ${dayOf(from)}: until then ${effect}; check the clock`;
  }
  const days = Math.floor((to.getTime() - now.getTime()) / DAY_MS);
  if (days >= SOON_DAYS) return undefined;
  const left = days === 0 ? 'less than a day' : days === 1 ? '1 day' : `${days} days`;
  return `${file} has a certificate that expires on ${dayOf(to)}, in ${left}: ${remedy}`;
}

/** What an operator has to know about the names of a server's certificate, if anything. `file` names it. */
export function nameWarning({ subjectAltName }: X509Certificate, file: string): string | undefined {
  if (subjectAltName !== undefined) return undefined;
  return `${file} has no subjectAltName, so clients refuse it: use a certificate that has one`;
}

function dayOf(date: Date): string {
  return date.toISOString().slice(0, 10);
}
