// Runs before the first paint, so that neither a chosen scheme nor what needs scripts ever flashes.
(() => {
  const root = document.documentElement;
  root.dataset.script = "on";
  try {
    for (const name of ["scheme", "presentation", "light-one", "light-two"]) {
      const value = localStorage.getItem("valerix-" + name);
      if (value) root.setAttribute("data-" + name, value);
    }
  } catch {
    // Storage may be forbidden; the system's own scheme then stands.
  }
})();
