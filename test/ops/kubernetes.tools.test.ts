import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { SERVE_SETTINGS } from '../../src/server/settings.ts';
import { ROOT } from '../project/documents.ts';
import { requireTools, toolPath } from '../support/required-tool.ts';
import { yamlDocuments } from './yaml.ts';

const CONTAINERFILE = readFileSync(`${ROOT}ops/Containerfile`, 'utf8');
const NAME = { 'app.kubernetes.io/name': 'order-numbers' };

/** What of a Kubernetes object is looked at here. */
interface KubernetesObject {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly labels: unknown };
  readonly spec: {
    readonly selector?: object;
    readonly podSelector?: object;
    readonly ports?: readonly { readonly name: string; readonly targetPort: string }[];
    readonly ingress?: readonly { readonly ports: readonly { readonly port: string }[] }[];
    readonly endpoints?: readonly { readonly port: string }[];
    readonly template?: { readonly metadata: { readonly labels: unknown }; readonly spec: PodSpec };
  };
}

interface PodSpec {
  readonly serviceAccountName: string;
  readonly terminationGracePeriodSeconds: number;
  readonly securityContext: { readonly runAsUser: number; readonly runAsGroup: number };
  readonly containers: readonly [Container];
}

interface Container {
  readonly image: string;
  readonly env: readonly { readonly name: string; readonly value?: string }[];
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
  readonly volumeMounts?: readonly { readonly mountPath: string }[];
  readonly startupProbe: Probe;
  readonly readinessProbe: Probe;
  readonly livenessProbe: Probe;
}

interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string };
}

describe.each(['sqlite', 'postgres'])('ops/kubernetes/%s.yaml', (file) => {
  const path = `ops/kubernetes/${file}.yaml`;

  it('has only what the schemas of Kubernetes allow', (test) => {
    requireTools(test, 'kubernetes-validate');
    // It exits with 1, and this throws, if the schemas do not allow something.
    const said = execFileSync(toolPath('kubernetes-validate'), ['--strict', join(ROOT, path)], { encoding: 'utf8' });
    expect(said).not.toContain('WARN');
  });

  it('has names and labels that fit each other', (test) => {
    requireTools(test, 'kubernetes-validate');
    const objects = objectsOf(path);
    expect(objects.filter(({ metadata }) => metadata.name !== 'order-numbers')).toEqual([]);
    const { metadata, spec } = podOf(objects);
    expect(metadata.labels).toEqual(NAME);
    expect(spec.serviceAccountName).toBe('order-numbers');
    const selectors = objects.flatMap(({ spec: own }) => own.selector ?? own.podSelector ?? []);
    // The selector of a Service has no matchLabels.
    const labels = selectors.map((selector) => ('matchLabels' in selector ? selector.matchLabels : selector));
    expect(labels).toEqual(objects.map(() => NAME));
    const ports = spec.containers[0].ports.map(({ name }) => name);
    const service = objects.find(({ kind }) => kind === 'Service')!;
    const policy = objects.find(({ kind }) => kind === 'NetworkPolicy')!;
    expect(service.spec.ports!.map(({ targetPort }) => targetPort)).toEqual(ports);
    expect(policy.spec.ingress!.flatMap((rule) => rule.ports.map(({ port }) => port))).toEqual(ports);
    const [monitor] = yamlDocuments('ops/kubernetes/monitoring.yaml') as [KubernetesObject];
    expect(monitor.spec.selector).toEqual({ matchLabels: service.metadata.labels });
    expect(service.spec.ports!.map(({ name }) => name)).toContain(monitor.spec.endpoints![0]!.port);
  });

  it('fits the image and the settings of a server', (test) => {
    requireTools(test, 'kubernetes-validate');
    const { spec: pod } = podOf(objectsOf(path));
    const [container] = pod.containers;
    const { version } = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8')) as { version: string };
    expect(container.image).toBe(`order-numbers:${version}`);
    const { runAsUser, runAsGroup } = pod.securityContext;
    expect(CONTAINERFILE).toContain(`\nUSER ${runAsUser}:${runAsGroup}\n`);
    expect(CONTAINERFILE).toContain(`\nEXPOSE ${container.ports.map((port) => port.containerPort).join(' ')}\n`);
    for (const { mountPath } of container.volumeMounts ?? [])
      expect(CONTAINERFILE).toContain(`\nVOLUME ${mountPath}\n`);
    for (const { name, value } of container.env.filter((variable) => variable.name.startsWith('ORDERS_'))) {
      const setting = Object.values(SERVE_SETTINGS).find(({ variable }) => variable === name);
      // Variables from a Secret have no value here.
      expect(() => setting!.parse(value ?? setting!.default)).not.toThrow();
    }
    const drainMs = SERVE_SETTINGS.drainTimeoutMs.parse(SERVE_SETTINGS.drainTimeoutMs.default);
    expect(pod.terminationGracePeriodSeconds * 1000).toBeGreaterThan(drainMs + 5000);
    const { startupProbe, readinessProbe, livenessProbe } = container;
    expect([startupProbe, readinessProbe, livenessProbe].map(({ httpGet }) => httpGet)).toEqual([
      { path: '/healthz', port: 'metrics' },
      { path: '/readyz', port: 'metrics' },
      { path: '/healthz', port: 'metrics' },
    ]);
  });
});

/** The objects that have a specification: all but a ServiceAccount. */
function objectsOf(path: string): KubernetesObject[] {
  return (yamlDocuments(path) as Partial<KubernetesObject>[]).filter(({ spec }) => spec) as KubernetesObject[];
}

function podOf(objects: readonly KubernetesObject[]) {
  return objects.find(({ spec }) => spec.template)!.spec.template!;
}
