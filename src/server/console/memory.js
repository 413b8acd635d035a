// What outlives a reload. A browser may forbid storage; then it lasts as long as the page.

const held = new Map();

export function recall(store, name) {
  try {
    return globalThis[store].getItem(name) ?? "";
  } catch {
    return held.get(name) ?? "";
  }
}

/** Empty: forgotten. */
export function keep(store, name, value) {
  held.set(name, value);
  try {
    if (value) globalThis[store].setItem(name, value);
    else globalThis[store].removeItem(name);
  } catch {
    // It is held.
  }
}
