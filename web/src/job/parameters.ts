// The parameters of a job, named as the service names them; files lead to the workspace.
import { css, html, LitElement, nothing, type TemplateResult } from 'lit';
import { customElement, property } from 'lit/decorators.js';
import { sharedStyles } from '../base/styles';
import type { ParameterJson, ServiceJson } from '../gen/stint/catalog/v1/catalog_service_pb';
import { workspaceHref } from '../workspace/paths';

type Value = unknown;

@customElement('stint-parameters')
export class Parameters extends LitElement {
  static override styles = [
    sharedStyles,
    css`
      :host { display: block; }
      dl { display: grid; grid-template-columns: fit-content(45%) minmax(0, 1fr); gap: 6px 14px; margin: 0; }
      /* A group, and a list of groups, stands below its name and has all the room. */
      dt.wide, dd.wide { grid-column: 1 / -1; }
      dl dl { padding: 4px 0 4px 10px; border-inline-start: 2px solid var(--stint-border); }
      dt { color: var(--stint-text-2); overflow-wrap: anywhere; }
      dd { margin: 0; min-width: 0; overflow-wrap: anywhere; white-space: pre-wrap; }
      ul { margin: 0; padding: 0; list-style: none; display: grid; gap: 4px; }
    `,
  ];

  @property({ attribute: false }) values: Record<string, Value> = {};
  @property({ attribute: false }) service: ServiceJson | undefined;

  private renderValues(values: Record<string, Value>, specs: readonly ParameterJson[]): TemplateResult {
    const order = new Map(specs.map((spec, i) => [spec.id ?? '', i]));
    const names = Object.keys(values).sort((a, b) => (order.get(a) ?? 1e9) - (order.get(b) ?? 1e9));
    return html`<dl>${names.map((name) => {
      const spec = specs.find((s) => s.id === name);
      const wide = isGroup(values[name]) ? 'wide' : '';
      return html`<dt class=${wide} title=${name}>${spec?.label || name}</dt><dd class=${wide} data-parameter=${name}>${this.renderValue(values[name], spec)}</dd>`;
    })}</dl>`;
  }

  private renderValue(value: Value, spec: ParameterJson | undefined): unknown {
    if (Array.isArray(value)) return html`<ul>${value.map((v) => html`<li>${this.renderValue(v, spec)}</li>`)}</ul>`;
    if (value !== null && typeof value === 'object')
      return this.renderValues(value as Record<string, Value>, spec?.group ?? []);
    if (value === null || value === '') return html`<span class="quiet-text">nothing</span>`;
    if (typeof value === 'boolean') return value ? 'yes' : 'no';
    const isPath = spec?.type === 'PARAMETER_TYPE_FILE' || spec?.type === 'PARAMETER_TYPE_FOLDER';
    if (isPath && typeof value === 'string') return html`<a href=${workspaceHref(folderOf(value, spec))}>${value}</a>`;
    return String(value);
  }

  override render() {
    const empty = Object.keys(this.values).length === 0;
    return empty
      ? html`<span class="quiet-text">This job has none.</span>`
      : this.renderValues(this.values, this.service?.parameters ?? []) || nothing;
  }
}

function isGroup(value: Value): boolean {
  return Array.isArray(value) ? value.some(isGroup) : value !== null && typeof value === 'object';
}

function folderOf(path: string, spec: ParameterJson): string {
  return spec.type === 'PARAMETER_TYPE_FOLDER' ? path : path.slice(0, path.lastIndexOf('/'));
}

declare global {
  interface HTMLElementTagNameMap {
    'stint-parameters': Parameters;
  }
}
