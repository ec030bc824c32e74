// The page in Firefox; see points.mjs.

import { firefox } from './drivers.mjs';
import { points } from './points.mjs';

points(firefox);
