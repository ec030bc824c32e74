// Modules of Node that the suite names and does not need in a browser.
export const existsSync = () => false;
export const readFileSync = () => '';
export const resolve = (...parts) => parts.join('/');
export const relative = (_, path) => path;
export const dirname = (path) => path;
export const sep = '/';
export default { existsSync, readFileSync, resolve, relative, dirname, sep };
