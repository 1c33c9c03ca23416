import type { ServeSettings } from '../../server/settings.ts';
import { whyNoTraces } from '../../server/tracing/open-tracing.ts';
import { isSwitchedOff } from '../../server/tracing/variables.ts';
import { environment } from '../run/environment.ts';
import type { Finding } from './findings.ts';
import { flagOf } from './refused-values.ts';

/** Whether traces would be sent. A server numbers without them, so nothing here is a problem. */
export async function checkTraces({ otlp }: ServeSettings): Promise<Finding[]> {
  if (otlp === 'off') return [];
  const flag = flagOf('otlp');
  const variables = environment();
  if (isSwitchedOff(variables)) {
    return [{ kind: 'ok', flag, text: 'no traces: OTEL_SDK_DISABLED or OTEL_TRACES_EXPORTER switches them off' }];
  }
  const why = await whyNoTraces(variables);
  if (why !== undefined) return [{ kind: 'warning', flag, text: `no traces would be sent: ${why}` }];
  return [{ kind: 'ok', flag, text: `traces would be sent to ${otlp}` }];
}
