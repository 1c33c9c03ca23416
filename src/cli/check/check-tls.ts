import type { X509Certificate } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { messageOf } from '../../core/errors.ts';
import type { NamedFile } from '../../server/security/tls/pem-file.ts';
import { blocksIn, certificatesIn, readText } from '../../server/security/tls/pem-file.ts';
import { identityIn } from '../../server/security/tls/tls-files.ts';
import { EFFECT, isValidAt, nameWarning, validityWarning } from '../../server/security/tls/validity.ts';
import type { ServeSettings } from '../../server/settings.ts';
import type { Finding } from './findings.ts';

export type TlsSettings = Pick<ServeSettings, 'tlsCert' | 'tlsKey' | 'tlsClientCa'>;

const OTHERS_READ = 0o004;

/** A TLS file and its text. */
interface ReadFile {
  readonly file: NamedFile;
  readonly text: string;
}

/** Checks each TLS file by itself, and whether key and certificate match. Only reads. */
export async function checkTls({ tlsCert, tlsKey, tlsClientCa }: TlsSettings): Promise<Finding[]> {
  const findings: Finding[] = [];
  const cert = await readFile('--tls-cert', tlsCert, findings);
  const key = await readFile('--tls-key', tlsKey, findings);
  const ca = await readFile('--tls-client-ca', tlsClientCa, findings);
  const chain = cert && certificatesOf(cert, findings);
  if (cert && chain) findings.push(...aboutChain(cert.file, chain));
  const authorities = ca && certificatesOf(ca, findings);
  if (cert && key && chain) findings.push(...(await aboutKey(cert, key, authorities && ca)));
  if (ca && authorities) findings.push(...aboutAuthorities(ca.file, authorities));
  return findings;
}

async function readFile(flag: string, path: string | 'off', findings: Finding[]): Promise<ReadFile | undefined> {
  if (path === 'off') return undefined;
  const file = { flag, path };
  try {
    return { file, text: await readText(file) };
  } catch (error) {
    findings.push(problem(file, error));
    return undefined;
  }
}

function certificatesOf({ file, text }: ReadFile, findings: Finding[]): readonly X509Certificate[] | undefined {
  try {
    return certificatesIn(file, blocksIn(file, text));
  } catch (error) {
    findings.push(problem(file, error));
    return undefined;
  }
}

function aboutChain({ flag, path }: NamedFile, chain: readonly X509Certificate[]): Finding[] {
  const own = chain[0]!;
  const names = own.subjectAltName;
  const found = `${path} is for ${names ?? 'no name'}, signed by ${nameIn(own.issuer)}, valid until ${dayOf(own)}`;
  const nameless = nameWarning(own, path);
  return [
    { kind: 'ok', flag, text: found },
    ...(nameless === undefined ? [] : [{ kind: 'problem', flag, text: nameless } as const]),
    ...chain.flatMap((certificate) => aboutTime({ flag, path }, certificate, EFFECT.ofOwn)),
  ];
}

/** Checks all files together, as a start does. The certificates were found valid before. */
async function aboutKey(cert: ReadFile, key: ReadFile, ca: ReadFile | undefined): Promise<Finding[]> {
  const { flag, path } = key.file;
  try {
    const texts = { cert: cert.text, key: key.text, clientCa: ca?.text };
    identityIn({ cert: cert.file, key: key.file, clientCa: ca?.file }, texts);
  } catch (error) {
    return [problem(key.file, error)];
  }
  const { mode } = await stat(path);
  const open = `every user of this machine can read the key ${path}: run chmod o-r on it`;
  return [
    { kind: 'ok', flag, text: `${path} matches the certificate` },
    ...((mode & OTHERS_READ) === 0 ? [] : [{ kind: 'warning', flag, text: open } as const]),
  ];
}

function aboutAuthorities({ flag, path }: NamedFile, authorities: readonly X509Certificate[]): Finding[] {
  const names = authorities.map(({ subject }) => nameIn(subject)).join('; ');
  return [
    { kind: 'ok', flag, text: `${path} accepts client certificates that are signed by ${names}` },
    ...authorities.flatMap((certificate) => aboutTime({ flag, path }, certificate, EFFECT.ofAuthority)),
  ];
}

/** A start only warns of a certificate that is not valid. Here it is a problem, because clients cannot connect. */
function aboutTime({ flag, path }: NamedFile, certificate: X509Certificate, effect: string): Finding[] {
  const now = new Date();
  const text = validityWarning(certificate, { file: path, effect }, now);
  if (text === undefined) return [];
  return [{ kind: isValidAt(certificate, now) ? 'warning' : 'problem', flag, text }];
}

/** The message of a refused file begins with the flag, which a finding has in a field of its own. */
function problem({ flag }: NamedFile, error: unknown): Finding {
  const [, named = flag, text = messageOf(error)] = /^(--[\w-]+): (.*)$/s.exec(messageOf(error)) ?? [];
  return { kind: 'problem', flag: named, text };
}

/** The name on one line; OpenSSL writes one line per part. */
function nameIn(subject: string): string {
  return subject.replaceAll('\n', ', ');
}

function dayOf({ validToDate }: X509Certificate): string {
  return validToDate.toISOString().slice(0, 10);
}
