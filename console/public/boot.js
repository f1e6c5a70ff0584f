// Before the first paint: the theme and the language that were chosen, so that nothing flashes.
;(function (root) {
  try {
    var kept = JSON.parse(localStorage.getItem("thingstead.preferences") || "{}")
    if (kept.theme === "dark" || kept.theme === "light") root.dataset.theme = kept.theme
    root.lang = kept.language || (/^zh/i.test(navigator.language) ? "zh" : "en")
  } catch {
    // Storage is switched off: the browser decides.
  }
})(document.documentElement)
