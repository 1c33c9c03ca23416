/** A plot of lines, which differ in color; of two lines that belong together, one is dashed. */
export interface Plot {
  /** The name of the file, without its folder. */
  readonly file: string;
  readonly title: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly lines: readonly Line[];
}

export interface Axis {
  readonly name: string;
  /** "log" for values that span several powers of ten; "category" puts its values at equal distances. */
  readonly scale: 'log' | 'linear' | 'category';
}

export interface Line {
  readonly name: string;
  /** Lines with the same number have the same color. */
  readonly color: number;
  readonly isDashed?: boolean;
  readonly points: readonly (readonly [x: number | string, y: number])[];
}

const WIDTH = 900;
const HEIGHT = 400;
/** Between black and white, because a document may be shown on either. */
const TEXT = '#808890';
const GRID = '#80889040';
const COLORS = ['#2f81f7', '#e8590c', '#2da44e', '#a371f7', '#bf8700', '#8b949e'];

/** The part of echarts that is used. The library has types, but only in bench/node_modules, which not every clone has. */
interface Charts {
  init(
    element: null,
    theme: null,
    options: object,
  ): { setOption(option: object): void; renderToSVGString(): string; dispose(): void };
}

/** Draws plots as SVG with a transparent background. Rejects if the library is not installed. */
export async function renderPlots(plots: readonly Plot[]): Promise<ReadonlyMap<string, string>> {
  const library: string = 'echarts';
  const charts = (await import(library).catch(() => {
    throw new Error('echarts is missing: run make bench, which installs it in bench/node_modules');
  })) as Charts;
  const drawn = plots.map((plot) => {
    const chart = charts.init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height: HEIGHT });
    chart.setOption(optionOf(plot));
    const svg = chart.renderToSVGString();
    chart.dispose();
    return [plot.file, `${svg}\n`] as const;
  });
  return new Map(drawn);
}

function optionOf({ title, x, y, lines }: Plot): object {
  return {
    animation: false,
    backgroundColor: 'transparent',
    textStyle: { color: TEXT, fontFamily: 'sans-serif' },
    title: { text: title, left: 8, top: 4, textStyle: { color: TEXT, fontSize: 15, fontWeight: 'bold' } },
    legend: { top: 32, left: 8, textStyle: { color: TEXT, fontSize: 12 }, itemWidth: 34, itemGap: 26 },
    grid: { left: 72, right: 24, top: 92, bottom: 52 },
    xAxis: axis(x, 'middle', 30),
    yAxis: axis(y, 'end', 12),
    series: lines.map(({ name, color, isDashed = false, points }) => ({
      name,
      type: 'line',
      data: points.map(([at, value]) => [at, value]),
      symbol: isDashed ? 'diamond' : 'circle',
      symbolSize: isDashed ? 9 : 7,
      color: COLORS[color % COLORS.length],
      lineStyle: { width: 2, type: isDashed ? 'dashed' : 'solid' },
    })),
  };
}

function axis({ name, scale }: Axis, nameLocation: 'middle' | 'end', nameGap: number): object {
  return {
    type: scale === 'linear' ? 'value' : scale,
    name,
    nameLocation,
    nameGap,
    nameTextStyle: { color: TEXT, fontSize: 12, align: nameLocation === 'end' ? 'left' : 'center' },
    axisLabel: { color: TEXT, fontSize: 12, ...(scale !== 'category' && { formatter: shortNumber }) },
    axisLine: { lineStyle: { color: TEXT } },
    splitLine: { show: scale !== 'category', lineStyle: { color: GRID } },
    ...(scale === 'category' && { boundaryGap: true }),
  };
}

/** Formats 12,000 as 12k, and 10,000,000 as 10M. */
export function shortNumber(value: number): string {
  if (value >= 1e6) return `${value / 1e6}M`;
  return value >= 1000 ? `${value / 1000}k` : String(value);
}
