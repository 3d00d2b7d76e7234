// Sets properties of an element's style from a template. The policy of the pages forbids
// style attributes, and Lit's styleMap writes one when it renders first; this
// goes through the object model, which is allowed.
import { noChange } from 'lit';
import { Directive, directive, type ElementPart, type PartInfo, PartType } from 'lit/directive.js';

class StyleDirective extends Directive {
  private last: Record<string, string> = {};

  constructor(info: PartInfo) {
    super(info);
    if (info.type !== PartType.ELEMENT) throw new Error('styles() stands on an element');
  }

  override render(_values: Record<string, string>) {
    return noChange;
  }

  override update(part: ElementPart, [values]: [Record<string, string>]) {
    const style = (part.element as HTMLElement | SVGElement).style;
    for (const name of Object.keys(this.last)) if (!(name in values)) style.removeProperty(name);
    for (const [name, value] of Object.entries(values)) if (this.last[name] !== value) style.setProperty(name, value);
    this.last = { ...values };
    return noChange;
  }
}

/** `<div ${styles({ '--width': '20%' })}>` */
export const styles = directive(StyleDirective);
