import { expect, it } from 'vitest';
import { remoteParentOf, traceHeadersOf } from '../../../src/server/tracing/trace-headers.ts';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const SPAN = 'b7ad6b7169203331';

it.each([
  ['of version 00, recorded', `00-${TRACE}-${SPAN}-01`, 1],
  ['of version 00, not recorded', `00-${TRACE}-${SPAN}-00`, 0],
  ['of a later version', `01-${TRACE}-${SPAN}-03`, 3],
  ['of a later version, with more behind the flags', `cc-${TRACE}-${SPAN}-01-what-comes-later`, 1],
])('a traceparent %s names the parent', (_, traceparent, flags) => {
  expect(remoteParentOf(traceHeadersOf({ traceparent }))).toEqual({ traceId: TRACE, spanId: SPAN, flags });
});

it.each([
  ['none', undefined],
  ['an empty one', ''],
  ['one without flags', `00-${TRACE}-${SPAN}`],
  ['one of the forbidden version', `ff-${TRACE}-${SPAN}-01`],
  ['one with a trace id of zeros', `00-${'0'.repeat(32)}-${SPAN}-01`],
  ['one with a span id of zeros', `00-${TRACE}-${'0'.repeat(16)}-01`],
  ['one in capitals', `00-${TRACE.toUpperCase()}-${SPAN}-01`],
  ['one of version 00 with more behind the flags', `00-${TRACE}-${SPAN}-01-more`],
  ['two of them', `00-${TRACE}-${SPAN}-01, 00-${TRACE}-${SPAN}-01`],
  ['one with a line break', `00-${TRACE}-${SPAN}-01\n`],
])('%s is no parent', (_, traceparent) => {
  expect(remoteParentOf(traceHeadersOf({ traceparent }))).toBeUndefined();
});
