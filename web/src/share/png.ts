// A scene as a PNG: its SVG, drawn at twice the size.

import type { Scene } from './scene';
import { toSvg } from './svg';

const SCALE = 2;
/** Canvases of all browsers hold so many points a side. */
const N_POINTS_MAX = 16_000;

export async function toPng(scene: Scene): Promise<Blob> {
  const url = URL.createObjectURL(new Blob([toSvg(scene)], { type: 'image/svg+xml' }));
  try {
    const image = new Image();
    image.src = url;
    await image.decode();
    const scale = Math.min(SCALE, N_POINTS_MAX / image.height);
    if (scale < 0.5) {
      throw new Error('This view is too long for a picture: choose less of it, or save an SVG.');
    }
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [image.width * scale, image.height * scale];
    canvas.getContext('2d')?.drawImage(image, 0, 0, canvas.width, canvas.height);
    const found = await new Promise<Blob | null>((done) => canvas.toBlob(done, 'image/png'));
    if (found === null) throw new Error('The browser makes no picture of this size.');
    return found;
  } finally {
    URL.revokeObjectURL(url);
  }
}
