// Canvases as sharp as the screen.

/** Emptied, and drawn on in the page's own pixels; `null`: there is nothing to draw on. */
export function drawingOn(
  canvas: HTMLCanvasElement | undefined,
  width: number,
  height: number,
): CanvasRenderingContext2D | null {
  const context = canvas?.getContext('2d') ?? null;
  if (!canvas || context === null || width <= 0 || height <= 0) return null;
  const dense = devicePixelRatio || 1;
  // Setting its size empties it.
  [canvas.width, canvas.height] = [width * dense, height * dense];
  context.scale(dense, dense);
  return context;
}
