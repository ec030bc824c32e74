/** Looks of the inspector. A page changes them by the custom properties named in `:host`. */

export const STYLE = `
:host {
  --live: var(--silt-live, light-dark(#0b6e6e, #4fc3b8));
  --superseded: var(--silt-superseded, light-dark(#8a8f98, #7d838c));
  --tombstone: var(--silt-tombstone, light-dark(#b3400e, #f09a5b));
  --torn: var(--silt-torn, light-dark(#a3195b, #ff8fc0));
  --text: var(--silt-text, light-dark(#16191d, #e6e8eb));
  --muted: var(--silt-muted, light-dark(#565d66, #a0a7b0));
  --line: var(--silt-line, light-dark(#d5d9de, #333a42));
  --surface: var(--silt-surface, light-dark(#ffffff, #15191d));
  --mono: var(--silt-mono, ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace);
  display: block; color: var(--text); container-type: inline-size;
  font-variant-numeric: tabular-nums;
}
:host([hidden]) { display: none; }
* { box-sizing: border-box; }
[hidden] { display: none !important; }
p, ol, ul, dl, dd { margin: 0; padding: 0; }
.note { color: var(--muted); font-size: 0.875em; }
.bad { color: var(--torn); }
.legend { display: flex; flex-wrap: wrap; gap: 4px 16px; list-style: none; font-size: 0.875em;
  color: var(--muted); margin: 0 0 8px; padding: 0; }
.legend li { display: flex; align-items: center; gap: 6px; }
.legend canvas { width: 12px; height: 12px; }
.layout { display: grid; gap: 16px; }
@container (min-width: 720px) {
  .layout { grid-template-columns: minmax(0, 1fr) 304px; }
  .detail { border-left: 1px solid var(--line); padding-left: 16px;
    min-height: var(--silt-detail-height, 320px); }
}
.strips { list-style: none; max-height: var(--silt-height, 464px); overflow: auto; min-width: 0; }
.strips li { padding: 0 0 12px; }
.head { font-size: 0.875em; color: var(--muted); display: flex; flex-wrap: wrap; gap: 0 8px; }
.head strong { color: var(--text); font-weight: 600; }
.state::before { content: "\\b7\\a0"; }
.state::after { content: "\\a0\\b7"; }
.bytes { display: flex; height: 4px; margin: 4px 0; gap: 1px; background: transparent; }
.bytes i { min-width: 1px; flex-basis: 0; }
.bytes .live { background: var(--live); }
.bytes .dead { background: var(--superseded); opacity: 0.6; }
.bytes .tables { background: var(--muted); opacity: 0.35; }
.bytes .rest { background: var(--line); }
.strips canvas { display: block; width: 100%; cursor: crosshair; border-radius: 2px; }
.strips canvas[hidden] { display: none; }
canvas:focus-visible, .hex:focus-visible, .scroll:focus-visible, summary:focus-visible,
select:focus-visible, button:focus-visible { outline: 2px solid var(--live); outline-offset: 2px; }
.detail dl { display: grid; grid-template-columns: auto minmax(0, 1fr); gap: 2px 12px;
  font-size: 0.875em; margin-bottom: 8px; }
.detail dt { color: var(--muted); }
.detail dd { overflow-wrap: anywhere; font-family: var(--mono); }
dd.live { color: var(--live); }
dd.tombstone { color: var(--tombstone); }
dd.torn { color: var(--torn); }
.hex { font: 0.75em/1.6 var(--mono); max-height: 232px; overflow: auto; }
.hex > div { display: flex; gap: 8px; white-space: pre; }
.hex .offset { color: var(--muted); min-width: 6ch; text-align: right; }
.hex .digits { display: flex; gap: 0.5ch; min-width: 19.5ch; }
.hex .frame { color: var(--muted); }
.hex .key { color: var(--live); font-weight: 600; }
.hex .value { color: var(--text); }
details { margin-top: 8px; font-size: 0.875em; }
summary { cursor: pointer; min-height: 32px; align-content: center; width: fit-content; }
.tools { display: flex; flex-wrap: wrap; align-items: center; gap: 8px; margin: 4px 0 8px; }
select, button { font: inherit; color: inherit; background: var(--surface);
  border: 1px solid var(--line); border-radius: 4px; padding: 4px 12px; min-height: 32px; }
.scroll { overflow: auto; max-height: 360px; }
table { border-collapse: collapse; font-family: var(--mono); white-space: nowrap; }
caption { position: absolute; clip-path: inset(50%); width: 1px; height: 1px; overflow: hidden; }
th { text-align: left; font-weight: 600; color: var(--muted); position: sticky; top: 0;
  background: var(--surface); }
th, td { padding: 2px 16px 2px 0; }
@media (pointer: coarse) { select, button, summary { min-height: 40px; } }
@media (max-width: 480px) { select, button, summary { min-height: 40px; } }
`;
