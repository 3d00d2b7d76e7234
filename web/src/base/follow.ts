// What a component draws from besides its own properties. Each function returns the thing and has the
// component draw again whenever it changes, for as long as the component is in the document. A component takes
// what it draws from here and nowhere else: a value that is read in passing is drawn once and then out of date.
import type { ReactiveController, ReactiveControllerHost } from 'lit';
import type { ServiceJson } from '../gen/stint/catalog/v1/catalog_service_pb';
import { listServices } from './calls';
import { type Session, session } from './session';
import { themeChanges } from './theme';

/** Has a component draw again whenever what it subscribes to says so. */
export class Follower implements ReactiveController {
  private life = new AbortController();

  constructor(
    private readonly host: ReactiveControllerHost,
    private readonly subscribe: (changed: () => void, signal: AbortSignal) => void,
  ) {
    host.addController(this);
  }

  hostConnected(): void {
    this.life = new AbortController();
    this.subscribe(() => this.host.requestUpdate(), this.life.signal);
    // Something may have changed while the component was out of the document.
    this.host.requestUpdate();
  }

  hostDisconnected(): void {
    this.life.abort();
  }
}

/** The session, which the component follows. */
export function followSession(host: ReactiveControllerHost): Session {
  new Follower(host, (changed, signal) => session.onChange(changed, signal));
  return session;
}

/** A condition on the screen, which the component follows. */
export function followMedia(host: ReactiveControllerHost, query: string): MediaQueryList {
  const media = matchMedia(query);
  new Follower(host, (changed, signal) => media.addEventListener('change', changed, { signal }));
  return media;
}

/** Has the component draw again when light and dark change, by the system or by the user in any tab. */
export function followTheme(host: ReactiveControllerHost): void {
  const dark = matchMedia('(prefers-color-scheme: dark)');
  new Follower(host, (changed, signal) => {
    dark.addEventListener('change', changed, { signal });
    themeChanges.addEventListener('change', changed, { signal });
  });
}

/** The catalog of services, which the component follows: it is drawn anew when the catalog was read. */
export function followServices(host: ReactiveControllerHost): ServiceLabels {
  const labels = new ServiceLabels();
  new Follower(host, (changed, signal) => {
    listServices().then(
      (services) => {
        labels.set(services);
        if (!signal.aborted) changed();
      },
      () => {
        // Ids are shown in place of labels.
      },
    );
  });
  return labels;
}

/** The labels of services by their ids. */
export class ServiceLabels {
  private byId = new Map<string, ServiceJson>();

  set(services: readonly ServiceJson[]): void {
    this.byId = new Map(services.map((s) => [s.id ?? '', s]));
  }

  /** The label of a service; its id where none is known. */
  label(id: string | undefined): string {
    return this.byId.get(id ?? '')?.label || id || '';
  }
}
