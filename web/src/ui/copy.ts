// Texts out of the page, to be put elsewhere.

/** Whether the browser lets pages copy. */
export async function copied(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}
