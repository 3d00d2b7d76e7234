// What tests ask of the Job Status page.

/** Ids of the rows in the document, as the eye sees them. */
export function rowIds(page) {
  return page.locator('stint-job-table .row').evaluateAll((rows) =>
    rows
      .map((row) => ({ id: row.dataset.id, top: row.getBoundingClientRect().top }))
      .sort((a, b) => a.top - b.top)
      .map((row) => row.id),
  );
}

/** What the row of a job says; undefined where there is none. */
export function rowOf(page, id) {
  return page.locator('stint-job-table').evaluate((table, wanted) => {
    const row = table.shadowRoot.querySelector(`[data-id="${wanted}"]`);
    const cell = (name) => row.querySelector(`.cell.${name}`)?.textContent.trim();
    return row ? { status: cell('status'), name: cell('output_name'), service: cell('service') } : undefined;
  }, id);
}

/** Selects these rows and no others. */
export async function selectRows(page, ids) {
  for (const [i, id] of ids.entries()) {
    await page.locator(`stint-job-table [data-id="${id}"] .cell.status`).click({ modifiers: i > 0 ? ['Control'] : [] });
  }
}
