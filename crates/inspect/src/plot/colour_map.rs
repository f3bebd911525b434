//! Values as colours: lightness grows evenly with the value, so that pictures can be read without
//! colours too.

use super::drawing::Colour;

/// From dark violet over green to bright yellow.
pub(super) fn sequential(share: f32) -> Colour {
    let share = share.clamp(0.0, 1.0);
    // Of a full turn: violet, blue, green, yellow.
    let hue = 0.84 - 0.54 * share;
    oklch(0.25 + 0.67 * share, 0.17, hue)
}

/// From blue at -1 over white to orange at 1; both sides are equally light.
pub(super) fn diverging(share: f32) -> Colour {
    let (size, hue) = (share.abs().min(1.0), if share < 0.0 { 0.7 } else { 0.14 });
    oklch(1.0 - 0.42 * size, 0.16 * size, hue)
}

/// Lightness, chroma and hue of OKLab (Ottosson 2020) as a colour of screens, paler where screens
/// have no colour of that chroma.
fn oklch(lightness: f32, chroma: f32, hue_turns: f32) -> Colour {
    let (sin, cos) = (std::f32::consts::TAU * hue_turns).sin_cos();
    let paler = (0..=20).map(|i| chroma * (1.0 - i as f32 / 20.0));
    let mut linear = [lightness; 3];
    for chroma in paler {
        linear = linear_rgb(lightness, chroma * cos, chroma * sin);
        if linear.iter().all(|part| (-1e-3..=1.001).contains(part)) {
            break;
        }
    }
    linear.map(|part| (255.0 * gamma(part.clamp(0.0, 1.0))).round() as u8)
}

fn linear_rgb(lightness: f32, a: f32, b: f32) -> [f32; 3] {
    let l = (lightness + 0.396_337_8 * a + 0.215_803_76 * b).powi(3);
    let m = (lightness - 0.105_561_35 * a - 0.063_854_17 * b).powi(3);
    let s = (lightness - 0.089_484_18 * a - 1.291_485_5 * b).powi(3);
    [
        4.076_741_7 * l - 3.307_711_6 * m + 0.230_969_94 * s,
        -1.268_438 * l + 2.609_757_4 * m - 0.341_319_4 * s,
        -0.004_196_086 * l - 0.703_418_6 * m + 1.707_614_7 * s,
    ]
}

/// Of sRGB (IEC 61966-2-1).
fn gamma(linear: f32) -> f32 {
    if linear <= 0.003_130_8 { 12.92 * linear } else { 1.055 * linear.powf(1.0 / 2.4) - 0.055 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As bright as eyes find it (Rec. 709), in steps of sRGB.
    fn grey(colour: Colour) -> f32 {
        let [r, g, b] = colour.map(f32::from);
        0.2126 * r + 0.7152 * g + 0.0722 * b
    }

    #[test]
    fn more_is_brighter() {
        let greys: Vec<f32> = (0..=40).map(|i| grey(sequential(i as f32 / 40.0))).collect();
        assert!(greys.windows(2).all(|pair| pair[1] > pair[0]), "{greys:?}");
        assert!(greys[0] < 50.0 && greys[40] > 200.0);
    }

    #[test]
    fn signs_differ_in_colour_alone() {
        assert_eq!(diverging(0.0), [255; 3]);
        for i in 1..=20 {
            let share = i as f32 / 20.0;
            let (minus, plus) = (diverging(-share), diverging(share));
            assert!((grey(minus) - grey(plus)).abs() < 20.0, "{minus:?} {plus:?}");
            assert!(minus[2] > minus[0] && plus[0] > plus[2], "{minus:?} {plus:?}");
        }
        assert_eq!(diverging(f32::INFINITY), diverging(1.0));
    }
}
