// Work in progress: what was typed and not sent yet. It belongs to the app and not to a page, so that it
// outlives the page on a link, Back, a reload and a sign-in. It is kept in the tab alone, apart for each user,
// and is forgotten when it was sent, when its user starts over or signs out.
import { session } from './session';

const prefix = 'stint-draft ';

// keyOf is undefined while nobody knows whose the draft would be.
function keyOf(name: string): string | undefined {
  return session.user === undefined ? undefined : `${prefix}${session.user} ${name}`;
}

/** Keeps a draft under a name. */
export function keepDraft(name: string, draft: unknown): void {
  const key = keyOf(name);
  try {
    if (key) sessionStorage.setItem(key, JSON.stringify(draft));
  } catch {
    // Storage is forbidden or full; the draft lives as long as its page.
  }
}

/** The draft that the user left under a name. */
export function readDraft<T>(name: string): T | undefined {
  const key = keyOf(name);
  try {
    const text = key ? sessionStorage.getItem(key) : null;
    return text === null ? undefined : (JSON.parse(text) as T);
  } catch {
    return undefined;
  }
}

export function dropDraft(name: string): void {
  const key = keyOf(name);
  try {
    if (key) sessionStorage.removeItem(key);
  } catch {
    // Nothing was kept.
  }
}

/** Forgets the drafts of everybody. */
export function dropAllDrafts(): void {
  try {
    for (const key of Object.keys(sessionStorage)) if (key.startsWith(prefix)) sessionStorage.removeItem(key);
  } catch {
    // Nothing was kept.
  }
}
