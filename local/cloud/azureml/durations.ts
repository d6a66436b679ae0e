// ISO 8601 durations as Azure writes them: `PT2H`, `P1DT30M`, `PT5M10S`; weeks, months and years are not taken.
/** Milliseconds, or undefined where the text is not such a duration. */
export function durationMs(text: string): number | undefined {
  const [whole, days, hours, minutes, seconds] = /^P(?:(\d{1,6})D)?(?:T(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9})S)?)?$/.exec(text) ?? [];
  if (whole === undefined || whole === 'P' || whole.endsWith('T')) return undefined;
  return (((Number(days ?? 0) * 24 + Number(hours ?? 0)) * 60 + Number(minutes ?? 0)) * 60 + Number(seconds ?? 0)) * 1000;
}
