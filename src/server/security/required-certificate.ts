import { OrderError } from '../../core/errors.ts';
import type { Authenticator } from './principal.ts';

/**
 * Lets only calls through to `inner` whose connection has a client certificate. gRPC has refused all others in the
 * handshake; HTTP has not, because probes have none.
 */
export function requireCertificate(inner: Authenticator): Authenticator {
  return {
    authenticate(credentials) {
      if (credentials.certificate()) return inner.authenticate(credentials);
      throw new OrderError(
        'TOKEN_INVALID',
        'this server needs a client certificate: none was sent, or it has expired or is not signed by the client CA',
      );
    },
  };
}
