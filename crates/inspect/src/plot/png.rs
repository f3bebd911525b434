//! Pixels as a PNG file (ISO/IEC 15948): the chunks that every reader knows.

use std::io::Write as _;

use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};

use super::pixels::Pixels;

const SIGNATURE: [u8; 8] = *b"\x89PNG\r\n\x1a\n";

pub(super) fn encode(pixels: &Pixels) -> Vec<u8> {
    let (width, height) = (pixels.width as u32, pixels.height as u32);
    let mut header = Vec::new();
    header.extend(width.to_be_bytes());
    header.extend(height.to_be_bytes());
    // 8 bits, red green blue; the only compression and filter method, not interlaced.
    header.extend([8, 2, 0, 0, 0]);
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
    for row in pixels.rgb.chunks_exact(pixels.width * 3) {
        // Filter 0: bytes as they are.
        zlib.write_all(&[0]).expect("memory takes all");
        zlib.write_all(row).expect("memory takes all");
    }
    let data = zlib.finish().expect("memory takes all");
    let mut png = SIGNATURE.to_vec();
    chunk(*b"IHDR", &header, &mut png);
    chunk(*b"IDAT", &data, &mut png);
    chunk(*b"IEND", &[], &mut png);
    png
}

fn chunk(kind: [u8; 4], data: &[u8], png: &mut Vec<u8>) {
    let mut crc = Crc::new();
    crc.update(&kind);
    crc.update(data);
    png.extend((data.len() as u32).to_be_bytes());
    png.extend(kind);
    png.extend(data);
    png.extend(crc.sum().to_be_bytes());
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn chunks_are_where_readers_look_for_them() {
        let rgb: Vec<u8> = (0..3 * 5 * 2).collect();
        let png = encode(&Pixels { width: 5, height: 2, rgb: rgb.clone() });
        assert_eq!(png[..8], SIGNATURE);
        assert_eq!(png[8..16], *b"\0\0\0\x0dIHDR");
        assert_eq!(png[16..24], [0, 0, 0, 5, 0, 0, 0, 2]);
        // An empty chunk's checksum is that of its name alone.
        assert_eq!(png[png.len() - 12..], *b"\0\0\0\0IEND\xae\x42\x60\x82");
        let data = &png[33 + 8..png.len() - 16];
        let mut rows = Vec::new();
        flate2::read::ZlibDecoder::new(data).read_to_end(&mut rows).unwrap();
        assert_eq!(rows, [&[0], &rgb[..15], &[0], &rgb[15..]].concat());
    }
}
