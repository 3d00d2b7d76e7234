// What a form holds while it is filled in, and what it becomes when it is sent. The
// server judges: a number that is none is sent as it was typed, so that one place says what is wrong.
import type { ParameterJson } from '../gen/stint/catalog/v1/catalog_service_pb';

/** The state of a field: text, a tick, a list of fields, or fields by name. */
export type Draft = string | boolean | Draft[] | { [name: string]: Draft };

/** The fields of a form at its begin, from values where there are some, and else from the defaults. */
export function draftOf(
  specs: readonly ParameterJson[],
  values: Record<string, unknown> | undefined,
): Record<string, Draft> {
  const drafts: Record<string, Draft> = {};
  for (const spec of specs) {
    const name = spec.id ?? '';
    drafts[name] = fieldDraft(spec, values === undefined ? spec.defaultValue : values[name]);
  }
  return drafts;
}

function fieldDraft(spec: ParameterJson, value: unknown): Draft {
  if (!spec.multiple) return singleDraft(spec, value);
  if (Array.isArray(value)) return value.map((v) => singleDraft(spec, v));
  if (value !== undefined && value !== null) return [singleDraft(spec, value)];
  return spec.required ? [singleDraft(spec, undefined)] : [];
}

/** A field of one value. A new entry of a list begins like this. */
export function singleDraft(spec: ParameterJson, value?: unknown): Draft {
  switch (spec.type) {
    case 'PARAMETER_TYPE_BOOLEAN':
      return value === true || value === 'true';
    case 'PARAMETER_TYPE_GROUP':
      return draftOf(spec.group ?? [], (value as Record<string, unknown> | null) ?? undefined);
    default:
      return value === undefined || value === null ? '' : String(value);
  }
}

/** The values to send. What is empty is left out. */
export function valuesOf(specs: readonly ParameterJson[], drafts: Record<string, Draft>): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const spec of specs) {
    const value = fieldValue(spec, drafts[spec.id ?? '']);
    if (value !== undefined) values[spec.id ?? ''] = value;
  }
  return values;
}

function fieldValue(spec: ParameterJson, draft: Draft | undefined): unknown {
  if (draft === undefined) return undefined;
  if (!spec.multiple) return singleValue(spec, draft);
  const list = (Array.isArray(draft) ? draft : []).map((d) => singleValue(spec, d)).filter((v) => v !== undefined);
  return list.length > 0 ? list : undefined;
}

function singleValue(spec: ParameterJson, draft: Draft): unknown {
  if (typeof draft === 'boolean') return draft || spec.defaultValue !== undefined || spec.required ? draft : undefined;
  if (spec.type === 'PARAMETER_TYPE_GROUP') {
    const parts = spec.group ?? [];
    const values = valuesOf(parts, draft as Record<string, Draft>);
    // A group that nobody touched says nothing.
    const untouched = JSON.stringify(values) === JSON.stringify(valuesOf(parts, draftOf(parts, undefined)));
    return untouched && !spec.required && !spec.multiple ? undefined : values;
  }
  const text = draft as string;
  if (text === '') return undefined;
  if (spec.type === 'PARAMETER_TYPE_INTEGER' || spec.type === 'PARAMETER_TYPE_NUMBER') {
    const number = Number(text);
    return text.trim() === '' || Number.isNaN(number) || !Number.isFinite(number) ? text : number;
  }
  return text;
}
