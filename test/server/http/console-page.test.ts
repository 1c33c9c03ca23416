import { expect, it } from 'vitest';
import { HttpFixture } from './http-fixture.ts';

it('the console is a page and its modules, for this server and no other, and is cached by what it contains', async () => {
  const fixture = await HttpFixture.open();
  const page = await fixture.ask('/');
  expect([page.code, page.headers['content-type']]).toEqual([200, 'text/html; charset=utf-8']);
  const links = [...page.body.matchAll(/(?:src|href)="(\/[^"]*)"/g)].map((match) => match[1]!);
  expect(links).toContain('/console/main.js');
  for (const path of ['/', ...links]) {
    const { code, headers, body } = await fixture.ask(path);
    expect([path, code]).toEqual([path, 200]);
    expect(headers).toMatchObject({
      'content-security-policy': expect.stringMatching(/^default-src 'none'; script-src 'self'; style-src 'self';/),
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'referrer-policy': 'no-referrer',
      'cache-control': 'no-cache',
    });
    expect(headers['content-security-policy']).not.toMatch(/unsafe|https?:|data:|\*/);
    expect(body).not.toMatch(/<script(?![^>]* src="\/)|<style|\sstyle=|\son\w+="/);
    const again = await fixture.ask(path, { headers: { 'if-none-match': headers['etag']! } });
    expect([again.code, again.body]).toEqual([304, '']);
    expect(await fixture.ask(path, { method: 'HEAD' })).toMatchObject({ code: 200, body: '' });
    const post = await fixture.ask(path, { method: 'POST', body: '{}' });
    expect([post.code, post.headers['allow']]).toEqual([405, 'GET, HEAD']);
  }
});

it('every module that the console imports is served as JavaScript', async () => {
  const fixture = await HttpFixture.open();
  const seen = new Set<string>();
  const waiting = ['/console/main.js'];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (seen.has(path)) continue;
    seen.add(path);
    const { code, headers, body } = await fixture.ask(path);
    expect([path, code, headers['content-type']]).toEqual([path, 200, 'text/javascript; charset=utf-8']);
    for (const [, to] of body.matchAll(/^import .* from '([^']+)';$/gm)) {
      waiting.push(new URL(to!, `${fixture.url}${path}`).pathname);
    }
  }
  expect(seen.size).toBeGreaterThan(10);
});
