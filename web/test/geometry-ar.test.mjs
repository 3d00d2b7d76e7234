// Nothing that is drawn is cut, sticks out, or is covered, from right to left.
import { prepare, testPages } from './lib/pages.mjs';

prepare();
testPages('ar');
