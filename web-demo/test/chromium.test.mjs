// The page in Chromium; see points.mjs.

import { chromium } from './drivers.mjs';
import { points } from './points.mjs';

points(chromium);
