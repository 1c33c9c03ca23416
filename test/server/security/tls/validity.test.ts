import { X509Certificate } from 'node:crypto';
import { expect, it } from 'vitest';
import { validityWarning } from '../../../../src/server/security/tls/validity.ts';
import { SIGNED } from '../../../support/network/certificates.ts';

/** Valid from 2020 until 2126. */
const CERTIFICATE = new X509Certificate(SIGNED.cert);
const NAMED = { file: '--tls-cert: tls.crt', effect: 'clients refuse it' };

it.each([
  ['2019-12-31T23:59:59Z', 'is not valid before 2020-01-01: until then clients refuse it; check the clock'],
  ['2020-01-01T00:00:00Z', 'nothing'],
  ['2125-12-18T00:00:00Z', 'nothing'],
  ['2125-12-18T00:00:01Z', 'expires on 2126-01-01, in 13 days: replace it \\(no restart needed\\)'],
  ['2125-12-30T12:00:00Z', 'expires on 2126-01-01, in 1 day: replace it'],
  ['2125-12-31T12:00:00Z', 'expires on 2126-01-01, in less than a day: replace it'],
  ['2126-01-01T00:00:00Z', 'expired on 2126-01-01: clients refuse it; replace it'],
])('at %s a warning says what a date does to a certificate, from two weeks before its end', (now, says) => {
  const warning = validityWarning(CERTIFICATE, NAMED, new Date(now)) ?? 'nothing';
  expect(warning.replace('--tls-cert: tls.crt has a certificate that ', '')).toMatch(new RegExp(`^${says}`));
});
