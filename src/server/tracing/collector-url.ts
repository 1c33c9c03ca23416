/** Without credentials, which the list of processes would show: they go into OTEL_EXPORTER_OTLP_HEADERS. */
export function parseCollectorUrl(text: string): string | 'off' {
  // OpenTelemetry's variables may be empty, which is as if they were not set.
  if (text === 'off' || text === '') return 'off';
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isPlain = url && `${url.username}${url.password}${url.search}${url.hash}` === '';
  if (isPlain && /^https?:$/.test(url.protocol)) return text;
  throw new Error('Use the URL of an OTLP collector, such as http://localhost:4318, or off.');
}

/** Where a collector takes traces. The specification has the path added; some collectors' URLs are given with it. */
export function tracesUrl(otlp: string): string {
  const base = otlp.replace(/\/+$/, '');
  return base.endsWith('/v1/traces') ? base : `${base}/v1/traces`;
}
