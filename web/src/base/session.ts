// Who the user is to the server, and what the server says of itself. Read once
// and again when the page is looked at anew, or when a call was refused for want of a session; everybody who shows it is told.
import type { GetServerStatusResponseJson } from '../gen/stint/admin/v1/status_service_pb';
import type { GetSignInOptionsResponseJson, WhoAmIResponseJson } from '../gen/stint/auth/v1/auth_service_pb';
import { ApiError, apiURL, call, fetchOrThrow, refusals } from './api';
import { serverStatus } from './calls';
import { serverURL } from './place';

/** Who the user is, and what the server says of itself. */
export class Session extends EventTarget {
  /** What the server answered; undefined before, and when nobody is signed in. */
  status: GetServerStatusResponseJson | undefined;
  /** How users sign in; undefined until the server said so. */
  options: GetSignInOptionsResponseJson | undefined;
  /** Who the server takes the browser for. Read only where browsers can sign in. */
  who: WhoAmIResponseJson | undefined;
  /** Whether the server wants to know who the user is, and does not. */
  signedOut = false;
  /** Whether somebody was signed in since this page was loaded. */
  began = false;
  /** Who was signed in last since the page was loaded. It stays when the session ends. */
  user: string | undefined;
  private reading: Promise<void> | undefined;

  get operator(): boolean {
    return this.status?.roles?.includes('operator') ?? false;
  }

  get auditor(): boolean {
    return this.status?.roles?.includes('auditor') ?? false;
  }

  /** The address that signs the user in and comes back to this very page; undefined where browsers cannot sign in. */
  get loginURL(): string | undefined {
    const path = this.options?.loginPath?.replace(/^\//, '');
    return path ? apiURL(path, { return: location.pathname + location.search }) : undefined;
  }

  /** Whether the browser itself is signed in, so that it can sign out. */
  get hasCookie(): boolean {
    return this.who?.how === 'session';
  }

  /** Whether the user is an operator and a job of that owner is not theirs: who acts on it must say why. */
  foreign(owner: string | undefined): boolean {
    return this.operator && Boolean(owner) && owner !== this.status?.user;
  }

  /** Reads the status. What was known stays when the server cannot be reached. */
  refresh(): Promise<void> {
    this.reading ??= this.read().finally(() => {
      this.reading = undefined;
    });
    return this.reading;
  }

  /** Ends the session, here and in all tabs, and begins anew. A failure is an ApiError. */
  async signOut(): Promise<void> {
    await fetchOrThrow(apiURL('auth/logout'), { method: 'POST', headers: { Accept: 'application/json' } });
    location.assign(serverURL());
  }

  private async read(): Promise<void> {
    try {
      this.options ??= await call<GetSignInOptionsResponseJson>('GET', 'v1/auth/options');
      this.status = await serverStatus();
      this.user = this.status.user ?? this.user;
      if (this.options.loginPath) this.who = await call<WhoAmIResponseJson>('GET', 'v1/auth/whoami');
      this.began = true;
      this.signedOut = false;
    } catch (error) {
      if (!(error instanceof ApiError && error.signedOut)) return;
      this.status = undefined;
      this.who = undefined;
      this.signedOut = true;
    }
    this.dispatchEvent(new Event('change'));
  }

  onChange(callback: () => void, signal: AbortSignal): void {
    this.addEventListener('change', callback, { signal });
  }
}

/** The session, for what is done once. Components that draw from it take it from follow.ts. */
export const session = new Session();

// Whichever call was refused: the whole page is of nobody then.
refusals.addEventListener('signed-out', () => {
  if (!session.signedOut) void session.refresh();
});
