// Light or dark: what the system says, or what the user chose on this device.
const key = 'stint-theme';
export const themes = ['auto', 'light', 'dark'] as const;
export type Theme = (typeof themes)[number];

export function currentTheme(): Theme {
  const stored = readSetting(key);
  return themes.find((t) => t === stored) ?? 'auto';
}

export function setTheme(theme: Theme): void {
  writeSetting(key, theme === 'auto' ? undefined : theme);
  applyTheme();
}

/** Tells by `change` that the colours of the document are others now. */
export const themeChanges = new EventTarget();

/** Makes the document follow the choice, also when it is made in another tab. */
export function applyTheme(): void {
  const theme = currentTheme();
  if (theme === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  themeChanges.dispatchEvent(new Event('change'));
}

/** Reads a setting of this device. Where storage is forbidden there are none. */
export function readSetting(name: string): string | undefined {
  try {
    return localStorage.getItem(name) ?? undefined;
  } catch {
    return undefined;
  }
}

/** Keeps a setting on this device, or forgets it. */
export function writeSetting(name: string, value: string | undefined): void {
  try {
    if (value === undefined) localStorage.removeItem(name);
    else localStorage.setItem(name, value);
  } catch {
    // Storage is forbidden or full; the choice holds until the page is left.
  }
}
