import { OrderError } from '../../core/errors.ts';
import type { ClientCertificate } from './client-certificate.ts';
import type { Authenticator, Principal } from './principal.ts';
import { EVERY_VERB } from './principal.ts';

/** A name that a ledger can record as a caller. */
const CALLER = /^[\x20-\x7e]{1,64}$/;

/**
 * Passes a call on to `inner` only if its connection has a client certificate. Over gRPC the handshake has already
 * refused other connections. Over HTTP it has not, because probes have no certificate.
 */
export function requireCertificate(inner: Authenticator): Authenticator {
  return {
    authenticate(credentials) {
      const certificate = credentials.certificate();
      if (!certificate) throw certificateMissing();
      return endingWith(certificate, inner.authenticate(credentials));
    },
  };
}

/** Used without tokens: any client certificate may do everything, under the name in it. */
export const CERTIFICATE_HOLDERS: Authenticator = {
  authenticate(credentials) {
    const certificate = credentials.certificate();
    if (!certificate) throw certificateMissing();
    return { name: callerOf(certificate), verbs: EVERY_VERB, stores: 'all' };
  },
};

/** A principal that ends when the certificate of its connection does, even if it has a token. */
function endingWith(certificate: ClientCertificate, { name, verbs, stores, ended }: Principal): Principal {
  return {
    name,
    verbs,
    stores,
    // Only streams ask for it.
    get ended() {
      return ended ? AbortSignal.any([ended, certificate.ended]) : certificate.ended;
    },
  };
}

/**
 * The certificate's first name without its kind, or the certificate's hash if that is missing, too long or not ASCII.
 */
function callerOf({ names: [first = ''], sha256 }: ClientCertificate): string {
  const name = first.slice(first.indexOf(':') + 1);
  return CALLER.test(name) ? name : sha256;
}

function certificateMissing(): OrderError {
  return new OrderError(
    'TOKEN_INVALID',
    'this server requires a client certificate: none was sent, or it has expired or is not from a CA that the server trusts',
  );
}
