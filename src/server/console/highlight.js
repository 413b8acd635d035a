// A text cut where what its words contribute changes, so that every piece can be shown by its weight.

const covers = (span, start, end) => span.charStart <= start && end <= span.charEnd;

/**
 * Pieces of `text` in order: what they contribute, how strongly beside the strongest (0 to 3), and the terms they are part of.
 * Spans count Unicode scalar values, not UTF-16 units. Where tokens of several models overlap, a token's contribution is spread
 * over its characters, so the pieces still add up to what the tokens do.
 */
export function pieces(text, tokens, terms) {
  const characters = [...text];
  const spans = [...tokens, ...terms].map((found) => found.span);
  const edges = new Set([0, characters.length, ...spans.flatMap((span) => [span.charStart, span.charEnd])]);
  const cuts = [...edges].filter((edge) => edge <= characters.length).sort((a, b) => a - b);
  const found = cuts.slice(1).map((end, index) => {
    const start = cuts[index];
    const share = ({ span, contribution }) => (contribution * (end - start)) / (span.charEnd - span.charStart);
    const value = tokens.filter((token) => covers(token.span, start, end)).reduce((sum, token) => sum + share(token), 0);
    return { text: characters.slice(start, end).join(""), value, isTerm: terms.some((term) => covers(term.span, start, end)) };
  });
  const strongest = Math.max(0, ...found.map((piece) => Math.abs(piece.value)));
  const strength = ({ value }) => (strongest > 0 ? Math.round((3 * Math.abs(value)) / strongest) : 0);
  return found.map((piece) => ({ ...piece, strength: strength(piece) }));
}

/** The part of `text` that a span names. */
export const cut = (text, span) => [...text].slice(span.charStart, span.charEnd).join("");
