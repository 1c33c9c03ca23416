/** Whether the server serves calls. */
export interface ServingState {
  isServing(): boolean;
  /** Asked only while it does not. */
  whyNotServing(): Readonly<Record<string, string>>;
}

/** What is answered at one path, without credentials. */
export interface ProbeAnswer {
  readonly path: string;
  answer(): { readonly status: number; readonly json: string };
}

const OK = { status: 200, json: '{"status":"ok"}' } as const;

/** Whether the process lives, and whether it serves: the same over HTTP and on the listener of the metrics. */
export function probesOf(state: ServingState): readonly ProbeAnswer[] {
  const notServing = () => ({ status: 503, json: JSON.stringify({ status: 'not serving', ...state.whyNotServing() }) });
  return [
    { path: '/healthz', answer: () => OK },
    { path: '/readyz', answer: () => (state.isServing() ? OK : notServing()) },
  ];
}
