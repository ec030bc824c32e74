/**
 * `siltdb/inspector`: an element that shows what the files of an open store hold.
 *
 * Importing it defines `<silt-inspector>`, where there are elements.
 */

import { SiltInspector } from './element.js';

export { SiltInspector };

if (globalThis.customElements && !customElements.get('silt-inspector')) {
  customElements.define('silt-inspector', SiltInspector);
}

declare global {
  interface HTMLElementTagNameMap {
    'silt-inspector': SiltInspector;
  }
}
