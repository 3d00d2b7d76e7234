// Nothing that is drawn is cut, sticks out, or is covered, in German.
import { prepare, testPages } from './lib/pages.mjs';

prepare();
testPages('de');
