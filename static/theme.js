// @ts-check
// Before anything is drawn, so that the wrong colours never flash: no module.
(() => {
  const root = document.documentElement;
  /** @type {{theme?: string, font?: number, wrap?: boolean}} */
  let kept = {};
  try {
    kept = JSON.parse(localStorage.getItem('wsrun') ?? '{}') ?? {};
  } catch { /* no storage, or not ours */ }
  if (kept.theme === 'light' || kept.theme === 'dark') root.dataset.theme = kept.theme;
  if (kept.font && kept.font >= 10 && kept.font <= 32) root.style.setProperty('--font', `${kept.font}px`);
  if (kept.wrap === false) root.dataset.wrap = 'off';
  if (new URLSearchParams(location.search).has('embed')) root.dataset.embed = '';
})();
