// What the shell shows of signing in and out.

import { html, nothing } from 'lit';
import { dropAllDrafts } from './drafts';
import { icon } from './icons';
import type { Session } from './session';
import { site } from './site';
import { toast } from './toast';

/** Who is signed in, and the way in or out. */
export function renderAccount(session: Session) {
  const user = session.status?.user;
  const login = session.loginURL;
  return html`
    ${user ? html`<a class="user" href="account" title="Signed in as ${user}">${icon('user')}<span>${user}</span></a>` : nothing}
    ${user && session.hasCookie ? html`<button class="button quiet" @click=${() => signOut(session)}>Sign out</button>` : nothing}
    ${session.signedOut && login ? html`<a class="button" href=${login}>Sign in</a>` : nothing}`;
}

/** Where the terms of the gateway are, where it has some. */
export function renderTerms() {
  return site.terms
    ? html`<p><a href=${site.terms} target="_blank" rel="noopener noreferrer">Terms of use</a></p>`
    : nothing;
}

/** That the session has ended while its user worked. What they see and wrote stays until they sign in again. */
export function renderEnded(session: Session) {
  if (!session.signedOut || !session.began) return nothing;
  const login = session.loginURL;
  return html`<div class="notice" role="alert">Your session has ended. Nothing new is shown or stored.
    ${login ? html`<a href=${login}>Sign in again</a>, and come back to this page.` : nothing}</div>`;
}

/** Whether the page is for nobody yet, so that there is nothing to show but the way in. */
export const mustSignIn = (session: Session) => session.signedOut && !session.began && session.loginURL !== undefined;

/** The way in, in place of a page. */
export function renderSignIn(session: Session) {
  return html`<div class="problem"><h1>Sign in to see your jobs</h1>
    <p>You come back to this page.</p>${renderTerms()}
    <a class="button primary" href=${session.loginURL ?? ''}>Sign in</a></div>`;
}

async function signOut(session: Session): Promise<void> {
  try {
    await session.signOut();
    dropAllDrafts();
  } catch (error) {
    toast(`You are still signed in. ${(error as Error).message}`, { kind: 'error' });
  }
}
