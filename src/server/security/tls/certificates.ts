import type { X509Certificate } from 'node:crypto';
import { hash } from 'node:crypto';
import type { SecureContextOptions, Server } from 'node:tls';
import { messageOf } from '../../../core/errors.ts';
import type { Logger } from '../../log/log.ts';
import { FilePoll } from '../file-poll.ts';
import type { TlsFiles, TlsIdentity, TlsTexts } from './tls-files.ts';
import { contextOptions, identityIn, readTlsFiles } from './tls-files.ts';
import { EFFECT, nameWarning, validityWarning } from './validity.ts';

const DAY_MS = 86_400_000;
/** Longer than it takes to replace the files one after the other. */
const SECOND_LOOK_MS = 400;

/** Called when changed files cannot be used; never throws. */
export interface ReloadObserver {
  reloadFailed(): void;
}

/** The certificates of a server, the same for all its listeners. They are read again when their files change. */
export class Certificates {
  readonly #files: TlsFiles;
  readonly #logger: Logger;
  readonly #observer: ReloadObserver;
  /** Each with what is called when an authority of the clients is lost. */
  readonly #servers = new Map<Server, () => void>();
  #identity!: TlsIdentity;
  /** The version of the files that is in use, or that was reported as unusable. */
  #known: string | undefined;
  /** The version that was unusable at the last read. */
  #suspect: string | undefined;
  #isCurrent = true;
  #looking: Promise<void> = Promise.resolve();
  #poll: FilePoll | undefined;
  #daily: NodeJS.Timeout | undefined;
  #secondLook: NodeJS.Timeout | undefined;

  private constructor(files: TlsFiles, logger: Logger, observer: ReloadObserver) {
    this.#files = files;
    this.#logger = logger;
    this.#observer = observer;
  }

  /**
   * Reads the files, and follows them from then on. Rejects with one sentence that names a flag, its file and the
   * remedy.
   */
  static async open(files: TlsFiles, logger: Logger, observer: ReloadObserver): Promise<Certificates> {
    const certificates = new Certificates(files, logger, observer);
    const texts = await readTlsFiles(files);
    certificates.#start(identityIn(files, texts), versionOf(texts));
    return certificates;
  }

  /** Whether clients need a certificate. */
  get haveClientCa(): boolean {
    return this.#files.clientCa !== undefined;
  }

  /** When the certificate in use expires: Unix time, in seconds. */
  get expirySeconds(): number {
    return this.#identity.chain[0].validToDate.getTime() / 1000;
  }

  /** The options of the certificates in use. */
  get options(): SecureContextOptions {
    return contextOptions(this.#identity);
  }

  /** Whether the files can be used: false while an older version of them is in use. */
  get isCurrent(): boolean {
    return this.#isCurrent;
  }

  /** The client CAs in use. */
  get clientAuthorities(): readonly X509Certificate[] {
    return this.#identity.clientAuthorities;
  }

  /**
   * Gives a server each new certificate until it is closed. Open connections keep theirs. `authoritiesLost` is called when
   * a client CA was removed.
   */
  renew(server: Server, authoritiesLost: () => void): void {
    this.#servers.set(server, authoritiesLost);
    server.once('close', () => this.#servers.delete(server));
  }

  /** Reads the files again now, and logs the result. Never rejects. */
  reload(): Promise<void> {
    return this.#look(true);
  }

  close(): void {
    this.#poll?.stop();
    clearInterval(this.#daily);
    clearTimeout(this.#secondLook);
  }

  #start(identity: TlsIdentity, version: string): void {
    const { cert, key, clientCa } = this.#files;
    this.#identity = identity;
    this.#known = version;
    this.#poll = new FilePoll([cert.path, key.path, ...(clientCa ? [clientCa.path] : [])], () => this.#look(false));
    this.#daily = setInterval(() => this.#warn(), DAY_MS).unref();
    this.#logger.info(fieldsOf(identity), 'TLS certificate read');
    this.#warn();
  }

  /** Reads one at a time. `asked`: the operator asked for it, so the result is always logged. Never rejects. */
  #look(asked: boolean): Promise<void> {
    this.#looking = this.#looking.then(() => this.#read(asked));
    return this.#looking;
  }

  async #read(asked: boolean): Promise<void> {
    let version: string | undefined;
    try {
      const texts = await readTlsFiles(this.#files);
      version = versionOf(texts);
      if (version === this.#known && !asked) return;
      this.#use(identityIn(this.#files, texts), asked);
      this.#known = version;
    } catch (error) {
      this.#refuse(version ?? messageOf(error), error, asked);
    }
  }

  #use(identity: TlsIdentity, asked: boolean): void {
    const isSame = JSON.stringify(identity.pem) === JSON.stringify(this.#identity.pem);
    const wasCurrent = this.#isCurrent;
    this.#isCurrent = true;
    if (isSame && (asked || !wasCurrent))
      this.#logger.info(fieldsOf(identity), 'TLS files read again: nothing changed');
    if (isSame) return;
    const hasLost = !includesAll(identity.clientAuthorities, this.#identity.clientAuthorities);
    this.#identity = identity;
    for (const [server, authoritiesLost] of this.#servers) {
      server.setSecureContext(this.options);
      if (hasLost) authoritiesLost();
    }
    const open = hasLost ? 'open ones whose client CA was removed end' : 'open ones are not affected';
    this.#logger.info(fieldsOf(identity), `TLS files changed: new connections use them, ${open}`);
    this.#warn();
  }

  /**
   * Keeps what is in use. Files that are replaced one after the other do not match for a moment, so a failure is
   * reported only if it persists at a second look, and once per version.
   */
  #refuse(version: string, error: unknown, asked: boolean): void {
    clearTimeout(this.#secondLook);
    this.#secondLook = setTimeout(() => void this.#look(false), SECOND_LOOK_MS).unref();
    const isFirstLook = version !== this.#suspect;
    this.#suspect = version;
    if (!asked && (isFirstLook || version === this.#known)) return;
    this.#known = version;
    this.#isCurrent = false;
    this.#observer.reloadFailed();
    this.#logger.warn(`${messageOf(error)}; until then the server keeps using what it read before`);
  }

  /** Warns of certificates that have expired, will soon expire, or are not valid yet. */
  #warn(): void {
    const now = new Date();
    const { cert, clientCa } = this.#files;
    const { chain, clientAuthorities } = this.#identity;
    const own = { file: `${cert.flag}: ${cert.path}`, effect: EFFECT.ofOwn };
    const theirs = { file: `${clientCa?.flag}: ${clientCa?.path}`, effect: EFFECT.ofAuthority };
    const warnings = [
      nameWarning(chain[0], own.file),
      ...chain.map((certificate) => validityWarning(certificate, own, now)),
      ...clientAuthorities.map((certificate) => validityWarning(certificate, theirs, now)),
    ];
    for (const warning of warnings) if (warning !== undefined) this.#logger.warn(warning);
  }
}

/** The fields of the log. */
function fieldsOf({ chain: [own], clientAuthorities }: TlsIdentity): Record<string, unknown> {
  return {
    names: own.subjectAltName ?? subjectOf(own),
    expires: own.validToDate.toISOString(),
    sha256: own.fingerprint256,
    ...(clientAuthorities.length > 0 && { client_ca: clientAuthorities.map(subjectOf) }),
  };
}

function subjectOf({ subject }: X509Certificate): string {
  return subject.replaceAll('\n', ', ');
}

function includesAll(all: readonly X509Certificate[], some: readonly X509Certificate[]): boolean {
  const known = new Set(all.map(({ fingerprint256 }) => fingerprint256));
  return some.every(({ fingerprint256 }) => known.has(fingerprint256));
}

function versionOf(texts: TlsTexts): string {
  return hash('sha256', JSON.stringify(texts));
}
