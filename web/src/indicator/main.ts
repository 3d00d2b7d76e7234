// The script that a site loads to have `<stint-indicator>`.
import './indicator';
