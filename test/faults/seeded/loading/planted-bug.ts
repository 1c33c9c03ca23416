/** A change of a file's text as it is loaded; the file itself stays as it is. */
export interface SourceChange {
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

/** A bug that is put into the product as it is loaded. */
export interface PlantedBug {
  readonly name: string;
  /** A seed whose run shows it, as long as plans are drawn as they are now. */
  readonly seed: number;
  /** What a violation says that shows it. */
  readonly shows: RegExp;
  readonly changes: readonly SourceChange[];
}
