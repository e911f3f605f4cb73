// Runs before the first paint, so that a chosen scheme or stage mode never flashes.
(() => {
  const root = document.documentElement;
  try {
    for (const name of ["scheme", "stage"]) {
      const value = localStorage.getItem("valerix-" + name);
      if (value) root.dataset[name] = value;
    }
  } catch {
    // Storage may be forbidden; the system's own scheme then stands.
  }
})();
