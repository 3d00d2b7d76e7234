// The script of the pages.
import './shell';
import { applyTheme } from './theme';

applyTheme();
window.addEventListener('storage', applyTheme);
