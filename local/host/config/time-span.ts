// Reads and writes the TimeSpan text of host.json and of timer schedules: `[-][d.]hh:mm[:ss[.fffffff]]`, or whole days as one number.
// Everything else in the host counts in milliseconds.

const TEXT =
  /^(?<sign>-)?(?:(?<days>\d{1,8})\.)?(?<hours>\d{1,2}):(?<minutes>\d{1,2})(?::(?<seconds>\d{1,2})(?:\.(?<fraction>\d{1,7}))?)?$/;
const DAYS = /^(?<sign>-)?(?<days>\d{1,8})$/;
const DAY_MS = 86_400_000;

/** Milliseconds of a TimeSpan text, or `undefined` when the text is not one (hours above 23, minutes or seconds above 59 are not). */
export function parseTimeSpan(text: string): number | undefined {
  const trimmed = text.trim();
  const days = DAYS.exec(trimmed)?.groups;
  if (days) return signed(days['sign'], Number(days['days']) * DAY_MS);
  const parts = TEXT.exec(trimmed)?.groups;
  if (!parts) return undefined;
  const hours = Number(parts['hours']);
  const minutes = Number(parts['minutes']);
  const seconds = Number(parts['seconds'] ?? 0);
  if (hours > 23 || minutes > 59 || seconds > 59) return undefined;
  const fraction = Math.floor(Number(`0.${parts['fraction'] ?? '0'}`) * 1000 + 1e-6);
  return signed(parts['sign'], Number(parts['days'] ?? 0) * DAY_MS + ((hours * 60 + minutes) * 60 + seconds) * 1000 + fraction);
}

/** TimeSpan text of a number of milliseconds: `00:05:00`, `1.02:03:04.500`. */
export function formatTimeSpan(ms: number): string {
  const rest = Math.abs(Math.trunc(ms));
  const two = (value: number) => String(value).padStart(2, '0');
  const days = Math.floor(rest / DAY_MS);
  const hours = two(Math.floor(rest / 3_600_000) % 24);
  const minutes = two(Math.floor(rest / 60_000) % 60);
  const seconds = two(Math.floor(rest / 1000) % 60);
  const fraction = rest % 1000 === 0 ? '' : `.${String(rest % 1000).padStart(3, '0')}`;
  return `${ms < 0 ? '-' : ''}${days > 0 ? `${days}.` : ''}${hours}:${minutes}:${seconds}${fraction}`;
}

function signed(sign: string | undefined, value: number): number {
  return sign && value !== 0 ? -value : value;
}
