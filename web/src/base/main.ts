// The script of the pages.
import './shell';
import { applySite } from './site';
import { applyTheme } from './theme';

applyTheme();
applySite();
window.addEventListener('storage', applyTheme);
