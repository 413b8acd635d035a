// From the values of a heat map, in logits, to the colours of its cells.

/** A map whose peak is weaker than this is painted weaker, too: its own peak alone would make every photo glow. */
const WEAKEST_PEAK = 1;
/** Opacity of the peak: the photo must stay visible under it. */
const MOST_OPAQUE = 0.72;

/** From 0, nothing speaks for the category there, to 1. */
export function strengths(values) {
  const known = values.map(Number).map((value) => (Number.isFinite(value) ? value : 0));
  const peak = Math.max(WEAKEST_PEAK, ...known);
  return known.map((value) => Math.max(0, value) / peak);
}

/** RGBA, four bytes a cell: yellow to dark red, darker and more opaque together, so it reads in grey as well. */
export function colours(values) {
  const mixed = (from, to, strength) => Math.round(from + (to - from) * strength);
  const cells = strengths(values).flatMap((strength) =>
    [mixed(255, 150, strength), mixed(220, 0, strength), mixed(70, 60, strength), Math.round(255 * MOST_OPAQUE * strength)]);
  return Uint8ClampedArray.from(cells);
}

/** The strongest cell, counted from 1 from the top left; `null` where no cell speaks for the category. */
export function peak({ columns, values }) {
  const known = values.map(Number);
  const best = known.reduce((so, value, index) => (value > known[so] ? index : so), 0);
  if (!(known[best] > 0)) return null;
  return { row: Math.floor(best / columns) + 1, column: (best % columns) + 1, value: known[best] };
}
