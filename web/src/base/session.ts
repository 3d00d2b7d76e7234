// Who the user is to the server, and what the server says of itself. Read once
// and again when the page is looked at anew; everybody who shows it is told.
import type { GetServerStatusResponseJson } from '../gen/stint/v1/admin_service_pb';
import { ApiError } from './api';
import { serverStatus } from './calls';

class Session extends EventTarget {
  /** What the server answered; undefined before, and when nobody is signed in. */
  status: GetServerStatusResponseJson | undefined;
  private reading: Promise<void> | undefined;

  get operator(): boolean {
    return this.status?.roles?.includes('operator') ?? false;
  }

  /** Reads the status. What was known stays when the server cannot be reached. */
  refresh(): Promise<void> {
    this.reading ??= this.read().finally(() => {
      this.reading = undefined;
    });
    return this.reading;
  }

  private async read(): Promise<void> {
    try {
      this.status = await serverStatus();
    } catch (error) {
      if (!(error instanceof ApiError && error.signedOut)) return;
      this.status = undefined;
    }
    this.dispatchEvent(new Event('change'));
  }

  onChange(callback: () => void, signal: AbortSignal): void {
    this.addEventListener('change', callback, { signal });
  }
}

export const session = new Session();
