import type { Logger } from '../log/log.ts';
import type { Authenticator } from './principal.ts';
import { OPEN } from './principal.ts';
import { CERTIFICATE_HOLDERS, requireCertificate } from './required-certificate.ts';
import type { Certificates, ReloadObserver } from './tls/certificates.ts';
import type { HandshakeObserver } from './tls/handshakes.ts';
import type { ListenerTls } from './tls/listener-tls.ts';
import type { TlsFiles } from './tls/tls-files.ts';
import type { TokenReload, TokenSources } from './token-reload.ts';

/** Files that are read again while the server runs: after a change, or on SIGHUP. */
export interface Reloadable {
  /** Reads them now, and logs the result. A file that cannot be used changes nothing. Never rejects. */
  reload(): Promise<void>;
  /** Stops following them. */
  close(): void;
}

/** The tokens and certificates of a server. They are opened before anything else, and closed with the listeners. */
export interface Security {
  /** Authenticates the callers of gRPC and HTTP. */
  readonly authenticator: Authenticator;
  /** Authenticates readers of the metrics, if these are protected: a token is enough. */
  readonly scrapers: Authenticator;
  /** Absent if calls need no token. */
  readonly tokens?: TokenSources;
  /** Absent if everything is served in plaintext. */
  readonly tls?: SecurityTls;
  /** Starts reading every file again. */
  reload(): void;
  close(): void;
}

export interface SecurityTls {
  readonly certificates: Certificates;
  /** The TLS of a listener. */
  of(transport: 'grpc' | 'http'): ListenerTls;
}

/** The settings that it depends on. */
export interface SecuritySettings {
  /** Path of the token file. */
  readonly tokens: string | 'off';
  /** Paths of PEM files. */
  readonly tlsCert: string | 'off';
  readonly tlsKey: string | 'off';
  readonly tlsClientCa: string | 'off';
}

/** Rejects with one sentence that names a flag, its file and the remedy, and leaves nothing open. */
export async function openSecurity(
  settings: SecuritySettings,
  logger: Logger,
  observer: ReloadObserver & HandshakeObserver,
): Promise<Security> {
  const tls = await openTls(settings, logger, observer);
  const files: Reloadable[] = tls ? [tls.certificates] : [];
  const close = () => files.forEach((file) => file.close());
  try {
    const tokens = settings.tokens === 'off' ? undefined : await openTokens(settings.tokens, logger);
    if (tokens) files.push(tokens);
    const haveClientCa = tls?.certificates.haveClientCa ?? false;
    const callers = tokens?.directory ?? (haveClientCa ? CERTIFICATE_HOLDERS : OPEN);
    return {
      authenticator: haveClientCa ? requireCertificate(callers) : callers,
      scrapers: callers,
      ...(tokens && { tokens }),
      ...(tls && { tls }),
      reload: () => files.forEach((file) => void file.reload()),
      close,
    };
  } catch (error) {
    close();
    throw error;
  }
}

/** The TLS files of a server; undefined without TLS. */
function tlsFilesOf({ tlsCert, tlsKey, tlsClientCa }: SecuritySettings): TlsFiles | undefined {
  if (tlsCert === 'off') return undefined;
  return {
    cert: { flag: '--tls-cert', path: tlsCert },
    key: { flag: '--tls-key', path: tlsKey },
    clientCa: tlsClientCa === 'off' ? undefined : { flag: '--tls-client-ca', path: tlsClientCa },
  };
}

async function openTls(
  settings: SecuritySettings,
  logger: Logger,
  observer: ReloadObserver & HandshakeObserver,
): Promise<SecurityTls | undefined> {
  const files = tlsFilesOf(settings);
  if (!files) return undefined;
  const { Certificates } = await import('./tls/certificates.ts');
  const { listenerTls } = await import('./tls/listener-tls.ts');
  const certificates = await Certificates.open(files, logger, observer);
  return { certificates, of: (transport) => listenerTls(transport, certificates, logger, observer) };
}

async function openTokens(path: string, logger: Logger): Promise<TokenReload> {
  const { TokenReload } = await import('./token-reload.ts');
  const tokens = new TokenReload(path, logger);
  await tokens.open();
  return tokens;
}
