"use strict";
// The colours that were chosen before, set ahead of the first paint.
(() => {
  const chosen = localStorage.getItem("metricvae-theme");
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
})();
