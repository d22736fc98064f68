/** A self-signed certificate for localhost, made with OpenSSL when it is first needed. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hasProgram } from '../../tests/support/debian.ts';

/** Both in PEM. */
export interface Certificate {
  readonly key: string;
  readonly cert: string;
}

let made: Certificate | null = null;

/** @throws Error when the program `openssl` is missing */
export function certificate(): Certificate {
  made ??= make();
  return made;
}

function make(): Certificate {
  if (!hasProgram('openssl'))
    throw new Error('The certificate is made by openssl, which is not here: install openssl.');
  const directory = mkdtempSync(join(tmpdir(), 'chimney-certificate-'));
  const [key, cert] = ['key.pem', 'cert.pem'].map((name) => join(directory, name));
  try {
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-days', '1'];
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    execFileSync('openssl', ['req', '-x509', ...curve, ...subject, '-keyout', key, '-out', cert], { stdio: 'ignore' });
    return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
