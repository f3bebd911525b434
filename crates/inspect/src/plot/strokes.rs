//! Letters as strokes, for pictures of pixels: a plot needs no font of the system.

use super::drawing::Place;

/// From letter to letter, in units of the grid.
pub(super) const ADVANCE: f32 = 5.5;
/// From the baseline to the top of a capital.
pub(super) const CAP_HEIGHT: f32 = 6.0;

/// The strokes of a letter, each a run of points: x to the right from 0 to 4, y downwards from the
/// top of capitals. What is not known is a box.
pub(super) fn of(letter: char) -> Vec<Vec<Place>> {
    const BOX: &str = "00 40 46 06 00";
    if let Some(strokes) = find(letter) {
        return points(strokes);
    }
    let accented = ACCENTED.iter().find_map(|(accent, pairs)| {
        let mut pairs = pairs.split(' ').map(|pair| (pair.chars().next(), pair.chars().nth(1)));
        let (_, base) = pairs.find(|(accented, _)| *accented == Some(letter))?;
        Some([points(accent), points(find(base?)?)].concat())
    });
    accented.unwrap_or_else(|| points(BOX))
}

fn find(letter: char) -> Option<&'static str> {
    LETTERS.iter().find(|(known, _)| *known == letter).map(|(_, strokes)| *strokes)
}

fn points(strokes: &str) -> Vec<Vec<Place>> {
    let point = |xy: &str| -> Place {
        let digit = |c: u8| f32::from(c - b'0');
        [digit(xy.as_bytes()[0]), digit(xy.as_bytes()[1])]
    };
    let strokes = strokes.split('|').filter(|stroke| !stroke.is_empty());
    strokes.map(|stroke| stroke.split(' ').map(point).collect()).collect()
}

/// The strokes of an accent, and pairs of a letter that has it and the letter below.
const ACCENTED: &[(&str, &str)] = &[
    ("10 10|30 30", "äa ëe ïı öo üu ÿy"),
    ("21 30", "áa ée íı óo úu ýy ćc ńn śs źz"),
    ("10 21", "àa èe ìı òo ùu"),
    ("11 20 31", "âa êe îı ôo ûu"),
    ("10 21 30", "čc ěe řr šs žz"),
    ("00 11 20 31", "ãa ñn õo"),
    ("26 28 18", "çc ÇC"),
    ("00 00|40 40", "ÄA ÖO ÜU"),
    ("30 40", "ÉE"),
];

/// Points are two digits, x and y; `|` lifts the pen.
const LETTERS: &[(char, &str)] = &[
    (' ', ""),
    ('A', "06 20 46|14 34"),
    ('B', "03 00 30 41 42 33 03 06 36 45 44 33"),
    ('C', "41 30 10 01 05 16 36 45"),
    ('D', "00 06 26 44 42 20 00"),
    ('E', "40 00 06 46|03 33"),
    ('F', "40 00 06|03 33"),
    ('G', "41 30 10 01 05 16 36 45 43 23"),
    ('H', "00 06|40 46|03 43"),
    ('I', "10 30|20 26|16 36"),
    ('J', "40 45 36 16 05"),
    ('K', "00 06|40 03 46"),
    ('L', "00 06 46"),
    ('M', "06 00 23 40 46"),
    ('N', "06 00 46 40"),
    ('O', "10 01 05 16 36 45 41 30 10"),
    ('P', "06 00 30 41 42 33 03"),
    ('Q', "10 01 05 16 36 45 41 30 10|24 46"),
    ('R', "06 00 30 41 42 33 03|23 46"),
    ('S', "41 30 10 01 02 13 33 44 45 36 16 05"),
    ('T', "00 40|20 26"),
    ('U', "00 05 16 36 45 40"),
    ('V', "00 26 40"),
    ('W', "00 16 22 36 40"),
    ('X', "00 46|40 06"),
    ('Y', "00 23 40|23 26"),
    ('Z', "00 40 06 46"),
    ('a', "12 32 43 46|45 36 16 05 14 44"),
    ('b', "00 06|03 12 32 43 45 36 16 05"),
    ('c', "43 32 12 03 05 16 36 45"),
    ('d', "40 46|43 32 12 03 05 16 36 45"),
    ('e', "04 44 43 32 12 03 05 16 36 45"),
    ('f', "40 30 21 26|12 32"),
    ('g', "42 47 38 18 07|43 32 12 03 05 16 36 45"),
    ('h', "00 06|03 12 32 43 46"),
    ('i', "20 20|22 26"),
    ('j', "20 20|22 27 18"),
    ('k', "00 06|42 04 46"),
    ('l', "20 25 36"),
    ('m', "02 06|03 12 23 26|23 32 43 46"),
    ('n', "02 06|03 12 32 43 46"),
    ('o', "12 03 05 16 36 45 43 32 12"),
    ('p', "02 08|03 12 32 43 45 36 16 05"),
    ('q', "42 48|43 32 12 03 05 16 36 45"),
    ('r', "02 06|04 12 32"),
    ('s', "42 12 03 14 34 45 36 06"),
    ('t', "10 15 26 36|02 32"),
    ('u', "02 05 16 36 45|42 46"),
    ('v', "02 26 42"),
    ('w', "02 16 24 36 42"),
    ('x', "02 46|42 06"),
    ('y', "02 26|42 26 18"),
    ('z', "02 42 06 46"),
    ('0', "10 01 05 16 36 45 41 30 10"),
    ('1', "11 20 26|16 36"),
    ('2', "01 10 30 41 42 06 46"),
    ('3', "01 10 30 41 42 33 44 45 36 16 05|13 33"),
    ('4', "36 30 04 44"),
    ('5', "40 00 03 33 44 45 36 16 05"),
    ('6', "30 10 01 05 16 36 45 44 33 13 04"),
    ('7', "00 40 16"),
    ('8', "13 02 01 10 30 41 42 33 13 04 05 16 36 45 44 33"),
    ('9', "42 33 13 02 01 10 30 41 45 36 16"),
    ('.', "26 26"),
    (',', "26 17"),
    (':', "22 22|26 26"),
    (';', "22 22|26 17"),
    ('-', "14 34"),
    ('+', "04 44|22 26"),
    ('_', "07 47"),
    ('/', "40 06"),
    ('(', "30 22 24 36"),
    (')', "10 22 24 16"),
    ('=', "03 43|05 45"),
    ('%', "40 06|00 10 11 01 00|35 45 46 36 35"),
    ('\'', "20 21"),
    ('"', "10 11|30 31"),
    ('!', "20 24|26 26"),
    ('?', "01 10 30 41 42 23 24|26 26"),
    ('#', "10 16|30 36|02 42|04 44"),
    ('$', "41 10 02 44 36 05|20 26"),
    ('&', "46 11 20 31 04 05 16 26 44"),
    ('*', "21 25|02 44|04 42"),
    ('<', "41 03 45"),
    ('>', "01 43 05"),
    ('@', "34 32 12 14 34 44 41 30 10 01 05 16 46"),
    ('[', "30 10 16 36"),
    (']', "10 30 36 16"),
    ('\\', "00 46"),
    ('^', "02 20 42"),
    ('`', "10 21"),
    ('{', "30 21 22 13 24 25 36"),
    ('|', "20 27"),
    ('}', "10 21 22 33 24 25 16"),
    ('~', "04 13 34 43"),
    ('ı', "22 26"),
    ('ß', "06 01 10 20 31 22 33 44 36 26"),
    ('·', "23 23"),
    ('°', "10 20 21 11 10"),
    ('§', "41 30 10 01 12 33 44 33|05 16 36 45 34 13 02 13"),
    ('\u{2013}', "04 44"),
    ('\u{2014}', "04 44"),
    ('\u{2018}', "21 20"),
    ('\u{2019}', "20 21"),
    ('\u{201c}', "11 10|31 30"),
    ('\u{201d}', "10 11|30 31"),
    ('\u{201e}', "16 17|36 37"),
    ('\u{2022}', "23 23"),
    ('\u{2026}', "06 06|26 26|46 46"),
    ('\u{2190}', "44 04 13|04 15"),
    ('\u{2192}', "04 44 33|44 35"),
    ('\u{21b5}', "41 44 04 13|04 15"),
    ('\u{2423}', "05 07 47 45"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_letter_lies_on_the_grid_and_stands_once() {
        for (i, (letter, _)) in LETTERS.iter().enumerate() {
            for [x, y] in of(*letter).concat() {
                assert!((0.0..=4.0).contains(&x) && (0.0..=8.0).contains(&y), "{letter:?}");
            }
            assert!(LETTERS[i + 1..].iter().all(|(other, _)| other != letter), "{letter:?}");
        }
        assert_eq!(of('L').len(), 1);
        assert_eq!(of('\u{1F999}').concat().len(), 5, "a box");
        for pair in ACCENTED.iter().flat_map(|(_, pairs)| pairs.split(' ')) {
            let letters: Vec<char> = pair.chars().collect();
            assert_eq!(letters.len(), 2, "{pair:?}");
            assert!(of(letters[0]).len() > of(letters[1]).len(), "{pair:?}");
        }
    }
}
